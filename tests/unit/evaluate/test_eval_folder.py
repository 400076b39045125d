"""The folder of an evaluation: whose it is, what a kill leaves, and calls that are made again."""

from __future__ import annotations

import json

import pytest

from ffr.data.question import Question
from ffr.elect.candidate import RawCandidate
from ffr.elect.source import Request, Sampling
from ffr.errors import UserError
from ffr.evaluate.drive import cut
from ffr.evaluate.folder import DoneBatch, EvalFolder
from ffr.evaluate.manifest import (
    checkpoint_identity,
    endpoint_identity,
    evaluation_manifest,
)
from ffr.evaluate.open_model import RetryingSource
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.rows import items_bytes, read_items
from student.prompt_parts import StudentPrompt

QUESTIONS = [
    Question(id=f"q{i}", video="v.mp4", question="?", answer_type="text", answer="x")
    for i in range(3)
]


@pytest.fixture
def manifest(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text("{}\n")

    def build(protocol="demo", model="m", execution=None, questions=QUESTIONS, port=80):
        identity = endpoint_identity(f"http://user@host:{port}/v1?key=secret", model)
        return evaluation_manifest(
            load_protocol(protocol), questions, data, identity, execution or {}
        )

    return build


def test_a_folder_belongs_to_one_evaluation(tmp_path, manifest):
    folder = EvalFolder(tmp_path / "out")
    folder.claim(manifest())
    folder.claim(manifest())
    folder.claim(manifest(port=8080))  # the same model elsewhere
    for other, key in (
        (manifest("video16"), r"protocol\w*\.?"),
        (manifest(model="n"), "model.name: 'm' against 'n'"),
        (manifest(execution={"batch_size": 4}), "execution.batch_size"),
        (manifest(questions=QUESTIONS[:2]), "data_sha256"),
    ):
        with pytest.raises(UserError, match=f"holds another evaluation .*{key}"):
            folder.claim(other)
    (folder.path / "manifest.json").unlink()
    (folder.path / "items.jsonl").write_text("")
    with pytest.raises(UserError, match="without a manifest"):
        folder.claim(manifest())


def test_the_manifest_says_what_a_score_depends_on_and_no_secret(tmp_path, manifest):
    found = EvalFolder(tmp_path / "out").claim(manifest())
    text = json.dumps(found)
    assert "secret" not in text
    assert "user" not in text
    assert found["model"]["base_url"] == "http://host:80/v1"
    assert found["identity"]["protocol"]["frames"]["count"] == 8
    assert found["data"]["sha256"]
    assert found["launches"][0]["versions"]["ffr"]
    assert found["seeds"] == {"sampling": 0}


def test_another_version_is_noted_as_another_launch(tmp_path, manifest):
    folder = EvalFolder(tmp_path / "out")
    folder.claim(manifest())
    newer = manifest()
    newer["launch"] = {**newer["launch"], "versions": {"ffr": "99"}}
    folder.claim(newer)
    found = folder.claim(newer)
    assert [launch["versions"]["ffr"] == "99" for launch in found["launches"]] == [False, True]


def test_two_processes_cannot_evaluate_into_one_folder(tmp_path):
    with (
        EvalFolder(tmp_path / "out").locked(),
        pytest.raises(UserError, match="another process"),
        EvalFolder(tmp_path / "out").locked(),
    ):
        pass
    with EvalFolder(tmp_path / "out").locked():
        pass


def test_batches_are_whole_or_not_there(tmp_path, row):
    folder = EvalFolder(tmp_path)
    ids = [["q0", "q1"], ["q2"], ["q3"]]
    folder.add(DoneBatch(batch=1, seconds=0.5, rows=(row(2),)))
    folder.add(DoneBatch(batch=0, seconds=0.5, rows=(row(0), row(1, right=False))))
    folder.add(DoneBatch(batch=2, seconds=0.5, rows=(row(7),)))  # of other questions
    folder.add(DoneBatch(batch=9, seconds=0.5, rows=(row(9),)))
    with (tmp_path / "batches.jsonl").open("a") as file:
        file.write('{"batch": 2, "seconds": 0.1, "rows": [{"index": 3, "quest')  # torn by a kill
    assert sorted(folder.done(ids)) == [0, 1]
    folder.add(DoneBatch(batch=2, seconds=0.5, rows=(row(3),)))
    folder.add(DoneBatch(batch=0, seconds=0.5, rows=(row(0), row(1))))  # the last line counts
    done = folder.done(ids)
    assert sorted(done) == [0, 1, 2]
    assert done[0].rows[1].right is True


def test_rows_survive_the_file_to_the_last_digit(tmp_path, row):
    rows = [row(0, score=0.1 + 0.2, metrics={"m": {"x": 1 / 3, "y": [1, 2]}}), row(1)]
    folder = EvalFolder(tmp_path)
    folder.add(DoneBatch(batch=0, seconds=0.0, rows=tuple(rows)))
    again = folder.done([["q0", "q1"]])[0].rows
    assert items_bytes(again) == items_bytes(rows)
    folder.write_items(rows)
    assert items_bytes(read_items(folder.items_path)) == items_bytes(rows)


def test_batches_follow_from_positions():
    assert [(n, [q.id for q in batch]) for n, batch in cut(QUESTIONS, 2)] == [
        (0, ["q0", "q1"]), (1, ["q2"]),
    ]  # fmt: skip


def test_a_checkpoint_is_known_by_its_bytes(tmp_path):
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")
    one, two = (checkpoint_identity(tmp_path / n) for n in ("a", "b"))
    assert one["weights_sha256"] == two["weights_sha256"]
    assert (one["name"], two["name"]) == ("a", "b")
    (tmp_path / "b" / "model.safetensors").write_bytes(b"weighty")
    two = checkpoint_identity(tmp_path / "b")
    assert one["weights_sha256"] != two["weights_sha256"]
    assert one["settings_sha256"] == two["settings_sha256"]
    (tmp_path / "a" / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights"):
        checkpoint_identity(tmp_path / "a")
    with pytest.raises(UserError, match=r"no config.json"):
        checkpoint_identity(tmp_path)


def test_a_checkpoint_may_move_and_has_a_telling_name(tmp_path, manifest):
    identities = []
    for place in ("r/grpo/global_step_60/actor/huggingface", "elsewhere/best"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")
        identities.append(checkpoint_identity(folder))
    assert [i["name"] for i in identities] == ["grpo/global_step_60", "best"]
    data = tmp_path / "data.jsonl"
    one, two = (
        evaluation_manifest(load_protocol("demo"), QUESTIONS, data, i, {}) for i in identities
    )
    assert one["identity"] == two["identity"]
    assert one["model"] != two["model"]


class Flaky:
    """Fails as often as it is told, then answers."""

    count_tokens = None
    write_frame_times = False

    def __init__(self, *errors: RawCandidate) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def generate(self, requests):
        self.calls += 1
        return [self.errors.pop(0) if self.errors else RawCandidate("well") for _ in requests]

    async def aclose(self):
        pass


REQUEST = Request(StudentPrompt(()), Sampling(0.0, 1.0, 8, 0))
PASSING = RawCandidate("", error="status 503", transient=True)
LASTING = RawCandidate("", error="status 400")


@pytest.mark.parametrize(
    ("errors", "calls", "text"),
    [
        ([], 1, "well"),
        ([PASSING, PASSING], 3, "well"),
        ([PASSING] * 5, 3, ""),
        ([LASTING], 1, ""),
        ([PASSING, LASTING], 2, ""),
    ],
)
async def test_calls_are_made_again_when_that_may_help(errors, calls, text):
    source = Flaky(*errors)
    retrying = RetryingSource(source, 3, most_wait_s=0.0)
    (raw,) = await retrying.generate([REQUEST])
    assert (source.calls, raw.text) == (calls, text)
    assert retrying.retries == calls - 1
