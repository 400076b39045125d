"""A stage is a child process: what it says when it fails, and that it never outlives us."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ffr.train.progress import StageProgress
from ffr.train.stage_process import StageFailedError, run_stage_process


class Stage:
    """Runs a few lines of Python as the stage ``grpo``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "logs" / "grpo.log"
        self.metrics = folder / "metrics.jsonl"
        self.progress: StageProgress | None = None

    def run(self, code: str, *, stall_timeout_s: float = 30.0, **stopping: Any) -> None:
        self.progress = StageProgress("grpo", 5, self.metrics)
        run_stage_process(
            ["-c", textwrap.dedent(code)],
            log=self.log,
            progress=self.progress,
            stall_timeout_s=stall_timeout_s,
            environment={"STAGE_FOLDER": str(self.folder)},
            **stopping,
        )


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie waiting for its parent."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_for_pid(path: Path, seconds: float = 20.0) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path.name} was never written")


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def test_a_good_stage_shows_its_steps_and_gets_our_variables(stage):
    stage.run(
        """
        import json, os, pathlib
        lines = pathlib.Path(os.environ["STAGE_FOLDER"], "metrics.jsonl").open("a")
        for step in (1, 2, 3):
            lines.write(json.dumps({"stage": "grpo", "step": step}) + "\\n")
        print("all went well")
        """
    )
    assert stage.progress.step == 3
    assert "all went well" in stage.log.read_text()


def test_a_failed_stage_gives_its_last_error_and_the_log(stage):
    with pytest.raises(StageFailedError) as failed:
        stage.run(
            """
            print("loading")
            try:
                raise KeyError("first")
            except KeyError as cause:
                raise RuntimeError("no memory left: lower grpo.micro_batch_size") from cause
            """
        )
    message = str(failed.value)
    assert message.startswith("grpo ended with code 1 after step 0: RuntimeError: no memory left")
    assert "micro_batch_size" in message
    assert message.endswith(f"log: {stage.log}")


def test_a_later_attempt_is_not_blamed_for_an_earlier_error(stage):
    with pytest.raises(StageFailedError, match="an old error"):
        stage.run("raise ValueError('an old error')")
    with pytest.raises(StageFailedError) as failed:
        stage.run("import os; print('third step', flush=True); os.kill(os.getpid(), 9)")
    assert "code -9" in str(failed.value)
    assert "third step" in str(failed.value)
    assert "an old error" not in str(failed.value)
    assert "an old error" in stage.log.read_text()  # the log keeps every attempt


def test_a_stage_that_says_nothing(stage):
    with pytest.raises(StageFailedError, match="ended with code 3 after step 0: it said nothing"):
        stage.run("raise SystemExit(3)")


def test_a_stalled_stage_is_ended(stage):
    with pytest.raises(StageFailedError, match=r"finished no step for .*stall_timeout_s=1\)") as f:
        stage.run(
            """
            import os, pathlib, time
            pathlib.Path(os.environ["STAGE_FOLDER"], "pid").write_text(str(os.getpid()))
            time.sleep(600)
            """,
            stall_timeout_s=1.0,
        )
    assert str(stage.log) in str(f.value)
    assert not is_running(wait_for_pid(stage.folder / "pid"))


def test_steps_keep_a_slow_stage_alive(stage):
    stage.run(
        """
        import json, os, pathlib, time
        path = pathlib.Path(os.environ["STAGE_FOLDER"], "metrics.jsonl")
        for step in range(1, 5):
            time.sleep(0.6)
            with path.open("a") as lines:
                lines.write(json.dumps({"stage": "grpo", "step": step}) + "\\n")
        """,
        stall_timeout_s=1.5,
    )
    assert stage.progress.step == 4


def test_what_a_stage_started_ends_with_it(stage):
    with pytest.raises(StageFailedError):
        stage.run(
            """
            import os, pathlib, subprocess, sys
            helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            pathlib.Path(os.environ["STAGE_FOLDER"], "pid").write_text(str(helper.pid))
            raise SystemExit(1)
            """
        )
    assert gone_within(wait_for_pid(stage.folder / "pid"), 5.0)


def test_ctrl_c_ends_the_stage_first(stage):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    pid_file = stage.folder / "pid"

    def interrupt():
        wait_for_pid(pid_file)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        stage.run(
            """
            import os, pathlib, time
            pathlib.Path(os.environ["STAGE_FOLDER"], "pid").write_text(str(os.getpid()))
            time.sleep(600)
            """
        )
    thread.join()
    assert not is_running(wait_for_pid(pid_file))


def test_a_killed_launcher_takes_the_stage_with_it(stage):
    child = f"""
        import os, pathlib, time
        pathlib.Path({str(stage.folder)!r}, "pid").write_text(str(os.getpid()))
        time.sleep(600)
    """
    launcher = textwrap.dedent(
        f"""
        from pathlib import Path
        from ffr.train.progress import StageProgress
        from ffr.train.stage_process import run_stage_process
        folder = Path({str(stage.folder)!r})
        run_stage_process(
            ["-c", {textwrap.dedent(child)!r}], log=folder / "log",
            progress=StageProgress("grpo", 1, folder / "metrics.jsonl"),
            stall_timeout_s=600, environment={{}},
        )
        """
    )
    process = subprocess.Popen([sys.executable, "-c", launcher])
    try:
        pid = wait_for_pid(stage.folder / "pid")
        assert is_running(pid)
    finally:
        process.kill()  # SIGKILL: it cannot clean up after itself
        process.wait()
    assert gone_within(pid, 10.0)


def test_who_died_and_why_is_part_of_the_line(stage):
    """Ray tells it on lines of their own below the error."""
    with pytest.raises(StageFailedError) as failed:
        stage.run("""
            print("ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing.")
            print("\\tclass_name: WorkerDict")
            print("\\tactor_id: 12b8")
            print("\\tip: 10.0.0.7")
            print("The actor is dead because its node has died. Node Id: 5f")
            print("something else")
            raise SystemExit(1)
        """)
    assert str(failed.value).startswith(
        "grpo ended with code 1 after step 0: ray.exceptions.ActorDiedError: The actor died "
        "unexpectedly before finishing. class_name: WorkerDict ip: 10.0.0.7 The actor is dead "
        "because its node has died. Node Id: 5f; log: "
    )


SAVING_STAGE = """
    import json, os, time
    from pathlib import Path
    folder = Path(os.environ["STAGE_FOLDER"])
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"stage": "grpo", "step": 1}) + "\\n")
    while not (folder / "asked").exists():
        time.sleep(0.02)
"""


def stop_once_a_step_is_done(stage: Stage, code: str, grace_s: float, signals: int = 1) -> None:
    """Run ``code``; signals come as Ctrl-C would, the second while the stage saves."""
    asked = stage.folder / "asked"

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        for number in range(signals):
            ready = (stage.folder / "saving").exists if number else stage_has_a_step
            while not ready() and time.monotonic() < deadline:
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGUSR1)

    def stage_has_a_step() -> bool:
        return stage.progress is not None and stage.progress.step > 0

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, stop)
    thread = threading.Thread(target=interrupt)
    stage.progress = None
    thread.start()
    try:
        stage.run(code, ask_to_stop=asked.touch, stop_grace_s=grace_s)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_stage_that_is_stopped_saves_its_work_first(stage, capfd):
    code = SAVING_STAGE + "    (folder / 'saved').touch()\n"
    with pytest.raises(KeyboardInterrupt):
        stop_once_a_step_is_done(stage, code, grace_s=20.0)
    assert (stage.folder / "saved").exists()
    said = capfd.readouterr().err
    assert "grpo: stopping, the last whole step is saved first (for at most 20 s" in said
    assert "could not save" not in said


def test_a_stage_that_cannot_save_says_why(stage, capfd):
    code = SAVING_STAGE + "    raise OSError('no room')\n"
    with pytest.raises(KeyboardInterrupt):
        stop_once_a_step_is_done(stage, code, grace_s=20.0)
    assert "grpo could not save: OSError: no room; log: " in capfd.readouterr().err


@pytest.mark.parametrize(("grace_s", "signals"), [(0.2, 1), (60.0, 2)])
def test_saving_that_takes_too_long_is_cut_short(stage, capfd, grace_s, signals):
    code = SAVING_STAGE + "    (folder / 'saving').touch()\n    time.sleep(60)\n"
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stop_once_a_step_is_done(stage, code, grace_s, signals)
    assert time.monotonic() - began < 40
    assert ("not done after 0.2 s (hardware.stop_grace_s)" in capfd.readouterr().err) == (
        signals == 1
    )


def test_before_the_first_step_there_is_nothing_to_save(stage):
    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, stop)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            stage.run("import time\ntime.sleep(60)", stop_grace_s=60.0,
                      ask_to_stop=(stage.folder / "asked").touch)  # fmt: skip
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not (stage.folder / "asked").exists()
