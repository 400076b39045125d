"""Run a command in this process as a shell would."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ffr.cli.main import main, train_main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(program: str, *words: object) -> Result:
        monkeypatch.setattr(sys, "argv", [program, *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            (main if program == "ffr" else train_main)()
        out, err = capsys.readouterr()
        code = stopped.value.code
        assert isinstance(code, int) or code is None
        return Result(code or 0, out, err)

    return call
