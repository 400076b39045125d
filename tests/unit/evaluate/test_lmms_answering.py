"""Items of a benchmark: read from messages, asked in batches, answered in its own labels."""

from pathlib import Path

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.elect.candidate import RawCandidate
from ffr.elect.record import ElectionRecord
from ffr.errors import UserError
from ffr.evaluate.lmms.answering import Answer, answer_items, check_failures, failures_of
from ffr.evaluate.lmms.settings import read_settings
from ffr.evaluate.lmms.task_item import read_item
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.reply import Reply
from ffr.evaluate.rows import Failure

DEMO = load_protocol("demo")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"only looked up here")
    return path


@pytest.fixture
def item(video: Path, tmp_path: Path):
    def make(text="Which?\nOption 1: cat\nOption 2: dog", number=0, task="t", url=None, **more):
        content = [{"type": "video", "url": str(url or video), **more},
                   {"type": "text", "text": text}]  # fmt: skip
        return read_item(task, "test", number, {"id": f"q{number}", "answer": "secret"},
                         [{"role": "user", "content": content}], media_root=tmp_path)  # fmt: skip

    return make


class Scripted:
    """An ``Asker`` with a reply for every question."""

    def __init__(self, reply) -> None:
        self.batches: list[list[str]] = []
        self._reply = reply

    async def ask(self, batch):
        self.batches.append([question.id for question in batch])
        return [self._reply(question) for question in batch]


def says(answer: str) -> Reply:
    return Reply(raw=RawCandidate(f"<think>x</think><answer>{answer}</answer>"))


async def test_answers_come_in_order_in_the_benchmarks_own_labels(item):
    items = [item(number=0), item("How many?", 1), item(number=2)]
    answers = {"q0": "B", "q1": "three", "q2": "dog"}
    asker = Scripted(lambda q: says(answers[q.id]))
    found = await answer_items(items, asker, DEMO, batch_size=2, at_once=2)
    assert [a.reply for a in found] == ["Option 2", "three", "Option 2"]
    assert [a.answer for a in found] == ["B", "three", "dog"]
    assert asker.batches == [["q0", "q1"], ["q2"]]


async def test_batches_do_not_cross_benchmarks_and_repeats_have_streams_of_their_own(item):
    items = [item(number=0, task="a"), item(number=0, task="b"), item(number=0, task="b")]
    asker = Scripted(lambda q: says("A"))
    await answer_items(items, asker, DEMO, batch_size=8, at_once=1)
    assert asker.batches == [["q0"], ["q0", "q0#1"]]


async def test_no_answer_is_empty_and_the_whole_response_can_be_given_instead(item):
    broken = Scripted(lambda q: Reply(raw=RawCandidate("I think it is B")))
    (one,) = await answer_items([item()], broken, DEMO, batch_size=1, at_once=1)
    assert (one.reply, one.answer, one.failure) == ("", None, None)
    (full,) = await answer_items([item()], broken, DEMO, batch_size=1, at_once=1, form="full")
    assert full.reply == "I think it is B"
    odd = Scripted(lambda q: says("both of them"))
    (none,) = await answer_items([item()], odd, DEMO, batch_size=1, at_once=1)
    assert none.reply == "both of them", "what names no option is the benchmark's to judge"


async def test_an_elected_answer_counts_not_its_supporters_text(item):
    record = ElectionRecord(question_id="q0", status="elected", answer="A")
    asker = Scripted(lambda q: Reply(raw=RawCandidate("x"), election=record))
    (one,) = await answer_items([item()], asker, DEMO, batch_size=1, at_once=1)
    assert one.reply == "Option 1"


async def test_failures_are_answers_with_reasons(item):
    lost = item(url="/nowhere/x.mp4", number=1)
    assert lost.asked is None
    failing = Scripted(lambda q: Reply(failure=Failure(kind="model", detail="broke")))
    found = await answer_items([lost, item()], failing, DEMO, batch_size=4, at_once=1)
    assert [a.failure.kind for a in found] == ["media", "model"]
    assert [a.reply for a in found] == ["", ""]
    assert failing.batches == [["q0"]]


async def test_a_batch_is_asked_unless_all_of_its_answers_are_known(item):
    items = [item(number=i) for i in range(5)]
    old = {"q0", "q1", "q3"}
    asker, kept = Scripted(lambda q: says("A")), []
    found = await answer_items(
        items, asker, DEMO, batch_size=2, at_once=1, keep=kept.extend,
        known=lambda i: Answer(i, "old", "old", None, None) if i.name in old else None,
    )  # fmt: skip
    assert asker.batches == [["q2", "q3"], ["q4"]]
    assert [a.reply for a in found] == ["old", "old", *["Option 1"] * 3]
    assert [a.item.name for a in kept] == ["q2", "q3", "q4"]


def test_how_many_failures_are_borne(item):
    items = [item(number=i) for i in range(3)] + [item(url="/nowhere/x.mp4", number=3)]
    failed = failures_of(items)
    with pytest.raises(UserError, match=r"1 of 4 items have no response \(1 media\).*on_failure"):
        check_failures(failed, 4, RowPolicy("fail"))
    assert check_failures(failed, 4, RowPolicy("limit", 1)) == {"media": 1}
    assert check_failures(failed, 4, RowPolicy("skip")) == {"media": 1}
    assert check_failures([], 4, RowPolicy("fail")) == {}
    with pytest.raises(UserError, match="none of 1 items"):
        check_failures(failed, 1, RowPolicy("skip"))


@pytest.mark.parametrize(
    ("url", "more", "reason"),
    [("/nowhere/x.mp4", {}, "outside the media root"), ("http://x/y.mp4", {}, "one video file"),
     ("missing://video path: a", {}, "one video file"), (None, {"type": "image"}, "image"),
     (None, {"start_time": 3.0}, "stretch of its video")],
)  # fmt: skip
def test_what_cannot_be_shown_says_why(item, url, more, reason):
    found = item(url=url, **more)
    assert found.asked is None
    assert reason in found.failure.detail


def test_the_gold_answer_is_not_read_and_text_may_come_in_many_forms(video, tmp_path):
    message = [{"role": "system", "content": "Be brief."},
               {"role": "user", "content": [{"type": "text", "text": "Is it red?"},
                                            {"type": "video", "url": str(video)}]}]  # fmt: skip
    found = read_item("t", "val", 7, {"id": 3}, message, media_root=tmp_path, open_type="number")
    assert found.name == "val/7", "an id that is no text is not taken"
    assert found.asked.question == "Be brief.\nIs it red?"
    assert found.asked.answer_type == "number"
    assert found.asked.video == str(video)


def test_arguments_of_the_command_line_become_settings_and_a_protocol():
    settings, protocol = read_settings(
        {"pretrained": "ckpt", "protocol": "demo", "batch_size": "4", "frames.count": 4,
         "scoring": "parity", "on_failure": "limit=3", "record": 7, "device": None},
        elects=False,
    )  # fmt: skip
    assert (settings.batch_size, settings.on_failure, settings.record) == (4, "limit 3", "7")
    assert (protocol.frames.count, protocol.scoring) == (4, "parity")
    _, elected = read_settings({"pretrained": "x", "protocol": "demo"}, elects=True)
    assert elected.election is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "pretrained=CHECKPOINT, or base_url=URL"),
     ({"pretrained": "a", "base_url": "b"}, "pretrained=CHECKPOINT, or base_url=URL"),
     ({"base_url": "http://x/v1"}, "needs model_name"),
     ({"pretrained": "a", "batch_size": "auto"}, "give a whole number"),
     ({"pretrained": "a", "batch_size": 0}, "batch_size=0"),
     ({"pretraind": "a"}, "did you mean pretrained"),
     ({"pretrained": "a", "frames.cuont": 4}, "did you mean frames.count"),
     ({"pretrained": "a", "on_failure": "drop"}, "give fail, skip, or limit N"),
     ({"pretrained": "a", "open_type": "prose"}, "open_type"),
     ({"pretrained": "a", "protocol": "demo_elect"}, "--model ffr_elect"),
     ({"pretrained": "a", "protocol": "video17"}, "shipped")],
)  # fmt: skip
def test_wrong_arguments_say_what_to_mend(arguments, message):
    with pytest.raises(UserError, match=message):
        read_settings(arguments, elects=False)
