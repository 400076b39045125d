"""A worker that was taken over says whatever it likes; its runner believes nothing of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teacher_tools import ToolResult, ToolRunner, load_toolset

TOOLS = '''
import json, os, socket, struct, subprocess, sys, threading, time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from teacher_tools import Budget, Evidence, Frame, ToolError, Video, teacher_tool

FD = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else -1  # workers have it
HEADS = json.loads(Path(__file__).with_name("heads.json").read_text())


def mark():
    """The call's mark, as an attacker in the process would find it."""
    frame = sys._getframe()
    while "mark" not in frame.f_locals or not isinstance(frame.f_locals["mark"], bytes):
        frame = frame.f_back
    return frame.f_locals["mark"]


@teacher_tool(budget=Budget(frames=4, pixels=10_000, seconds=1.5))
def say(video: Video, head: str, pixels: Annotated[int, Field(ge=0, le=10**9)] = 0) -> str:
    """Answer in place of the worker.

    Args:
        head: Which head of the message.
        pixels: How many bytes follow.
    """
    body = HEADS[head].encode(errors="surrogateescape")
    connection = Connection(os.dup(FD))
    connection.send_bytes(mark())
    connection.send_bytes(struct.pack(">I", len(body)) + body + bytes(pixels))
    if head == "good":
        os._exit(0)
    time.sleep(30)


@teacher_tool(budget=Budget(seconds=0.3))
def disturb(
    video: Video,
    how: Literal[
        "noise", "huge", "negative", "short", "half", "unmarked", "flood", "twice", "orphan",
    ],
) -> str:
    """Spoil the connection.

    Args:
        how: In which way.
    """
    connection = Connection(os.dup(FD))
    if how == "noise":
        os.write(FD, os.urandom(5000))
    if how == "huge":
        os.write(FD, struct.pack("!i", -1) + struct.pack("!Q", 2**62))
    if how == "negative":
        os.write(FD, struct.pack("!i", -2))
    if how == "short":
        connection.send_bytes(mark())
        connection.send_bytes(b"x")
    if how == "half":
        os.write(FD, struct.pack("!i", 100) + b"only this")
    if how == "unmarked":
        head = json.dumps({"kind": "error", "text": "forged"}).encode()
        connection.send_bytes(bytes(16))
        connection.send_bytes(struct.pack(">I", len(head)) + head)
        time.sleep(30)
    if how == "flood":
        head = json.dumps({"kind": "phase", "is": "tool"}).encode()
        while True:
            connection.send_bytes(mark())
            connection.send_bytes(struct.pack(">I", len(head)) + head)
    if how == "twice":
        mine, head = mark(), json.dumps({"kind": "error", "text": "forged"}).encode()
        for _ in range(2):
            connection.send_bytes(mine)
            connection.send_bytes(struct.pack(">I", len(head)) + head)
    if how == "orphan":
        subprocess.Popen(["sleep", "20.25"], start_new_session=True, pass_fds=(FD,))
        os._exit(1)
    return "done"


@teacher_tool
def fine(video: Video) -> str:
    """Do nothing bad."""
    return "done"


@teacher_tool
def leave(video: Video) -> str:
    """Answer, and end the process half a second later."""
    threading.Timer(0.5, os._exit, (1,)).start()
    return "done"


@teacher_tool
def tell(video: Video, what: Literal["text", "label", "refusal", "failure", "print"]) -> Evidence:
    """Say what was found out about the machine.

    Args:
        what: Where to put it.
    """
    secret = os.environ["FFR_TEST_TOKEN"]
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    (path,) = [link for link in links if link.endswith(".mp4")]
    words = f"{secret} in {path} at ../x/y and ~root/.ssh/id"
    if what == "refusal":
        raise ToolError(words)
    if what == "failure":
        raise RuntimeError(words)
    if what == "print":
        print(words, flush=True)
        os._exit(4)
    frame = Frame.of(video.frame_at(0.0), label=words if what == "label" else "")
    return Evidence(frames=(frame,), text=words if what == "text" else "")
'''

FRAME: dict[str, Any] = {
    "width": 2, "height": 2, "t_s": 0.5, "pts": 1, "box": None, "label": "", "intact": True,
}  # fmt: skip
SECRET = "token with / slash //and more"


@pytest.fixture(scope="module")
def odd_video(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose folder has a space, so that no pattern sees where its path ends."""
    path = tmp_path_factory.mktemp("media") / "of some one" / "their video.mp4"
    path.parent.mkdir()
    path.write_bytes(sound.read_bytes())
    return path


@pytest.fixture(scope="module")
def hijacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToolRunner]:
    path = tmp_path_factory.mktemp("tools") / "hijack_tools.py"
    path.write_text(TOOLS)
    path.with_name("heads.json").write_text(json.dumps(TEXTS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FFR_TEST_TOKEN", SECRET)
        toolset = load_toolset(files=[path], installed=False)
        with ToolRunner(toolset, workers=1, environment=["FFR_TEST_TOKEN"]) as runner:
            yield runner


def call(runner: ToolRunner, video: Path, name: str, **arguments: object) -> ToolResult:
    return runner.call_sync(name, json.dumps(arguments), video)


HEADS = {
    "good": {"kind": "evidence", "evidence": {"text": "", "span": None, "frames": [FRAME]}},
    "infinite": {
        "kind": "evidence",
        "evidence": {"text": "", "span": None, "frames": [{**FRAME, "width": float("inf")}]},
    },
    "huge": {
        "kind": "evidence",
        "evidence": {"text": "", "span": None, "frames": [{**FRAME, "t_s": 10**400}]},
    },
    "nothing": {"kind": "evidence", "evidence": None},
}
TEXTS = {name: json.dumps(head) for name, head in HEADS.items()} | {
    "deep": "[" * 300_000,
    "long": json.dumps({"kind": "x" * 6_000_000}),
    "no utf-8": '{"kind": "\udcff"}',
}


def test_a_well_formed_answer_is_taken(hijacked: ToolRunner, sound: Path) -> None:
    result = call(hijacked, sound, "say", head="good", pixels=12)
    assert result.evidence is not None, result.detail
    assert result.evidence.frames[0].size == (2, 2)


@pytest.mark.parametrize("head", ["infinite", "huge", "nothing", "deep", "long", "no utf-8"])
def test_nonsense_is_a_failed_call(head: str, hijacked: ToolRunner, sound: Path) -> None:
    result = call(hijacked, sound, "say", head=head, pixels=20)
    assert result.boundary == "tool"
    assert result.message == "The tool failed. Try other arguments or another tool."
    assert result.evidence is None


@pytest.mark.parametrize(
    "how", ["noise", "huge", "negative", "short", "half", "unmarked", "flood", "orphan"]
)
def test_a_spoilt_connection_costs_one_call(how: str, hijacked: ToolRunner, sound: Path) -> None:
    result = call(hijacked, sound, "disturb", how=how)
    assert result.boundary in ("tool", "timeout")
    assert "forged" not in result.message
    assert call(hijacked, sound, "fine").ok


def test_an_answer_too_many_is_not_the_next_calls(hijacked: ToolRunner, sound: Path) -> None:
    assert call(hijacked, sound, "disturb", how="twice").message == "forged"
    assert call(hijacked, sound, "fine").message == "done"


def test_more_pixels_than_the_budget_are_not_even_received(
    hijacked: ToolRunner, sound: Path
) -> None:
    result = call(hijacked, sound, "say", head="good", pixels=10**7)
    assert result.boundary == "tool"
    assert "bad message length" in result.detail


def test_a_worker_that_ends_between_calls_costs_none(hijacked: ToolRunner, sound: Path) -> None:
    assert call(hijacked, sound, "leave").ok
    (worker,) = hijacked._alive
    deadline = time.monotonic() + 30
    while worker.is_ready and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not worker.is_ready
    assert call(hijacked, sound, "fine").ok


@pytest.mark.parametrize("what", ["text", "label", "refusal"])
def test_no_message_tells_a_path_or_a_variable(
    what: str, hijacked: ToolRunner, odd_video: Path
) -> None:
    result = call(hijacked, odd_video, "tell", what=what)
    texts = [result.message]
    if result.evidence is not None:
        texts += [result.evidence.text, *(frame.label for frame in result.evidence.frames)]
    told = " ".join(texts)
    assert "<FFR_TEST_TOKEN> in <path> at <path> and <path>" in told
    for word in ("token", "slash", "some", "their", "..", "ssh"):
        assert word not in told


@pytest.mark.parametrize("what", ["failure", "print"])
def test_not_even_the_log_tells_a_variable(
    what: str, hijacked: ToolRunner, odd_video: Path
) -> None:
    result = call(hijacked, odd_video, "tell", what=what)
    assert result.boundary == "tool"
    assert result.message == "The tool failed. Try other arguments or another tool."
    assert "<FFR_TEST_TOKEN> in " in result.detail
    assert "slash" not in result.detail
    assert "their video.mp4" in result.detail
