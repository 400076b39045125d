"""The scoring libraries are loaded on first use and missed with a line that says the fix."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

from ffr.errors import UserError
from rewards import text_scores


def test_importing_rewards_loads_neither_scorers_nor_torch() -> None:
    code = (
        "import sys, rewards.accuracy, rewards.rir, rewards.advantage, rewards.dependency;"
        "bad = {'torch', 'transformers', 'verl', 'ray', 'nltk', 'jiwer', 'rouge_score'}"
        " & set(sys.modules);"
        "sys.exit(','.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("distribution", "use"),
    [("jiwer", lambda: text_scores.word_error_rate("a b", "a")),
     ("rouge-score", lambda: text_scores.rouge_f1("a b", "a"))],
)
def test_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, distribution: str, use: Any
) -> None:
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name.split(".")[0] in {"jiwer", "rouge_score"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    text_scores._scorer.cache_clear()
    text_scores._tokenizer.cache_clear()
    with pytest.raises(UserError, match=f"pip install {distribution}"):
        use()


def test_reference_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no word"):
        text_scores.word_error_rate("  ", "x")
