"""Answers on disk: another launch goes on with them, another model or protocol starts anew."""

import json
from pathlib import Path

import pytest

from ffr.elect.candidate import RawCandidate
from ffr.evaluate.lmms.answering import Answer, answer_of
from ffr.evaluate.lmms.record import Record
from ffr.evaluate.lmms.task_item import TaskItem, read_item
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.reply import Reply
from ffr.evaluate.rows import Failure

DEMO = load_protocol("demo")
MODEL = {"kind": "checkpoint", "name": "m", "path": "/a", "weights_sha256": "w"}


@pytest.fixture
def item(tmp_path: Path) -> TaskItem:
    (tmp_path / "v.mp4").write_bytes(b"x")
    content = [{"type": "video", "url": str(tmp_path / "v.mp4")},
               {"type": "text", "text": "Which?\nA. cat\nB. dog"}]  # fmt: skip
    return read_item("t", "test", 0, {"id": "q0"}, [{"content": content}], media_root=tmp_path)


def begin(folder: Path, protocol=DEMO, **model: str) -> tuple[Record, int]:
    record = Record(folder)
    return record, record.begin(protocol, {**MODEL, **model}, {"batch_size": 1}, {"lmms_eval": "0"})


def answered(item: TaskItem) -> Answer:
    raw = RawCandidate("<think>x</think><answer>dog</answer>", prompt_tokens=5, completion_tokens=3)
    return answer_of(item, Reply(raw=raw), DEMO, "answer")


def test_an_answer_is_found_again_by_the_next_launch(tmp_path, item):
    record, known = begin(tmp_path / "record")
    assert (known, record.known(item)) == (0, None)
    record.add([answered(item)])
    (line,) = [json.loads(x) for x in (tmp_path / "record" / "items.jsonl").open()]
    assert (line["reply"], line["answer"], line["completion_tokens"]) == ("B", "dog", 3)
    again, known = begin(tmp_path / "record", path="/elsewhere")
    found = again.known(item)
    assert known == 1
    assert (found.reply, found.answer, found.failure) == ("B", "dog", None)


def test_another_model_or_protocol_starts_anew(tmp_path, item):
    record, _ = begin(tmp_path)
    record.add([answered(item)])
    assert begin(tmp_path, weights_sha256="other")[1] == 0
    record, _ = begin(tmp_path)
    record.add([answered(item)])
    changed = load_protocol("demo", ["frames.count=4"])
    assert begin(tmp_path, changed)[1] == 0
    assert (tmp_path / "items.jsonl").read_bytes() == b""


def test_failures_and_changed_questions_are_asked_again(tmp_path, item):
    record, _ = begin(tmp_path)
    record.add([answered(item), Answer(item, "", None, Failure(kind="model", detail="x"), None)])
    assert begin(tmp_path)[0].known(item) is None, "the last line counts"
    record.add([answered(item)])
    content = [{"type": "video", "url": item.asked.video},
               {"type": "text", "text": "Which?\nA. cat\nB. cow"}]  # fmt: skip
    other = read_item("t", "test", 0, {"id": "q0"}, [{"content": content}], media_root=tmp_path)
    again, _ = begin(tmp_path)
    assert again.known(item).reply == "B"
    assert again.known(other) is None
