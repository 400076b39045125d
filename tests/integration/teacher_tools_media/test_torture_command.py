"""The command that prints the torture table tells right from wrong, and hangs from answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = Path(__file__).resolve().parents[3] / "benchmarks" / "torture.py"


def torture(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(COMMAND), *words], capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout


def test_a_good_reader_ends_well() -> None:
    code, text = torture("--only", "vfr sparse", "empty file", "--json")
    report: dict[str, Any] = json.loads(text)
    assert code == 0
    assert report["failures"] == []
    assert report["files"]["vfr sparse recording"]["inside"] == 22
    assert report["files"]["vfr sparse recording"]["exact"] == 22
    assert report["files"]["empty file"]["error"] == "UndecodableError"


def test_wrong_answers_of_another_reader_are_shown() -> None:
    code, text = torture("--only", "avi, mpeg4 B-frames", "--backend", "decord")
    assert code == 0
    assert "wrong" in text
    assert "instead of" in text


def test_a_hang_is_a_failure() -> None:
    code, text = torture("--only", "h264 single frame", "--deadline", "0.01")
    assert code == 1
    assert "killed after 0.01 s" in text
    assert "NOT GOOD: h264 single frame" in text


def test_wrong_answers_of_the_default_reader_are_failures() -> None:
    import torture as command

    right = {"inside": 22, "exact": 22, "asked": 22, "wrong": [], "worst": 0, "cpu_s": 0.1}
    wrong = {**right, "inside": 21, "wrong": ["t=1"], "worst": 1}
    refused = {"error": "UndecodableError", "text": ""}
    shown = {"error": "none: a frame was shown"}
    mkv, gif = "mkv", "gif"
    assert command._close("pyav", {mkv: right, gif: refused}, False) == 0
    assert command._close("pyav", {mkv: wrong, gif: refused}, False) == 1
    assert command._close("pyav", {mkv: refused, gif: refused}, False) == 1
    assert command._close("pyav", {mkv: right, gif: shown}, False) == 1
    assert command._close("decord", {mkv: wrong, gif: refused}, False) == 0
    assert command._close("decord", {mkv: {"died": "exit code -11"}}, False) == 1
