import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ffr import __version__
from ffr.cli.shared import progress_bar, run_app
from ffr.cli.train import split_words
from ffr.errors import UserError


def test_help_names_every_command(run):
    result = run("ffr", "--help")
    assert result.code == 0
    for name in ("train", "data", "tools", "leak", "doctor"):
        assert name in result.out


@pytest.mark.parametrize("group", ["data", "tools", "leak"])
def test_each_group_is_mounted_with_its_commands(run, group):
    result = run("ffr", group, "--help")
    assert result.code == 0
    first = {"data": "check", "tools": "try", "leak": "check"}[group]
    assert first in result.out


def test_version(run):
    assert run("ffr", "--version").out.strip() == __version__


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['ffr', '--help']\n"
        "from ffr.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'av', 'numpy', 'pydantic', 'openai', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_user_error_is_one_line_and_exit_code_2(capsys, monkeypatch):
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise UserError("the disk\nis full;\n  free space")

    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit) as stopped:
        run_app(app, "x")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: the disk is full; free space\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["datta"], "error: No such command 'datta'. Did you mean 'data'? Try: ffr --help\n"),
        (["data", "check"], "error: Missing argument 'path'. Try: ffr data check --help\n"),
        (["data", "demo", "--sft", "0"], "Invalid value for '--sft'"),
        (["doctor", "--jsn"], "No such option: --jsn"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(run, words, message):
    result = run("ffr", *words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_no_words_at_all_print_the_help(run):
    result = run("ffr")
    assert result.code == 2
    assert "doctor" in result.out + result.err


def test_ctrl_c_is_exit_code_130(monkeypatch):
    app = typer.Typer()

    @app.command()
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit) as stopped:
        run_app(app, "x")
    assert stopped.value.code == 130


def test_a_bug_keeps_its_traceback(monkeypatch):
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(ZeroDivisionError):
        run_app(app, "x")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope.yaml"], "configuration file nope.yaml does not exist"),
        (["grpo.lr=1"], "no configuration file among 'grpo.lr=1'"),
        (["{base}", "grpo.lrr=1"], "unknown key grpo.lrr"),
        (["{base}", "+grpo.lr=1"], "+ only below verl"),
        (["{base}", "seed=.nan"], ".nan is not allowed"),
    ],
)
@pytest.mark.parametrize("program", ["ffr-train", "ffr train"])
def test_wrong_training_words_are_one_readable_line(run, tmp_path, program, words, message):
    (tmp_path / "base.yaml").write_text("student: {tiny: {}}\n")
    words = [w.format(base=tmp_path / "base.yaml") for w in words]
    result = run(*program.split(), *words)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_a_file_whose_name_looks_like_a_setting_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=1.yaml").write_text("")
    paths, overrides = split_words(["a.yaml", "lr=1.yaml", "grpo.lr=2", "verl.a.b=c=d"])
    assert [str(p) for p in paths] == ["a.yaml", "lr=1.yaml"]
    assert overrides == ["grpo.lr=2", "verl.a.b=c=d"]


def test_progress_is_silent_when_nobody_looks(capsys):
    with progress_bar("counting") as tick:
        tick(1, 2)
        tick(2, 2)
    assert capsys.readouterr() == ("", "")


def test_a_setting_longer_than_a_file_name_is_a_setting() -> None:
    long = "reward.components=[" + ", ".join("{name: tar}" for _ in range(60)) + "]"
    assert split_words(["run.yaml", long]) == ([Path("run.yaml")], [long])
