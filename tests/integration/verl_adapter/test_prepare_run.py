"""What must exist before the first stage: told at once, in one line."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from ffr.config.load import dump_config
from ffr.config.rewards import RewardConfig
from ffr.config.schema import RunConfig
from ffr.data.sft_record import SftRecord, load_sft_records
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, PatchFrame
from ffr.repair.components import check_components
from ffr.run.folder import RunFolder
from ffr.train.prepare import prepare_data, prepare_student


@pytest.fixture
def prepare(tmp_path: Path, media_root: Path, questions: Any, kit: Any) -> Any:
    """Prepares a new run folder over two good questions, after ``rows`` of other lines."""
    count = itertools.count()

    def start(*rows: str, **changes: Any) -> tuple[Any, RunFolder, RunConfig]:
        lines = [*rows, *(q.model_dump_json() for q in questions)]
        (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
        records = [SftRecord(question=q, response="<answer>B</answer>") for q in questions]
        (tmp_path / "sft.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in records))
        data = {"train": str(tmp_path / "train.jsonl"), "sft": str(tmp_path / "sft.jsonl"),
                "media_root": str(media_root)} | changes.pop("data", {})  # fmt: skip
        config = kit.config(tmp_path, tmp_path, data=data, **changes)
        folder = RunFolder.create(tmp_path / f"run{next(count)}", dump_config(config))
        return prepare_data(config, folder), folder, config

    return start


def test_checked_questions_are_written_into_the_run_folder(prepare, questions):
    inputs, folder, _ = prepare()
    assert inputs.train == folder.path / "data" / "train.jsonl"
    kept = [json.loads(line)["id"] for line in inputs.train.read_text().splitlines()]
    assert kept == [q.id for q in questions]
    assert inputs.skipped_rows == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json", "line 1"),
        ('{"id": "x", "video": "gone.mp4", "question": "Q?", "answer_type": "number", '
         '"answer": "1"}', "gone.mp4"),
        ('{"id": "x", "video": "a.mp4", "question": " ", "answer_type": "number", "answer": "1"}',
         "empty"),
        ('{"id": "x", "video": "a.mp4", "question": "Q?", "options": ["a", "b"], '
         '"answer_type": "choice", "answer": "C"}', "not one of the letters"),
        ('{"id": "x", "video": "../../etc/passwd", "question": "Q?", "answer_type": "number", '
         '"answer": "1"}', "passwd"),
    ],
)  # fmt: skip
def test_a_bad_row_ends_the_run_or_is_skipped_and_recorded(prepare, row, reason):
    with pytest.raises(UserError, match=reason):
        prepare(row)
    inputs, folder, _ = prepare(row, data={"on_bad_row": "skip"})
    assert inputs.skipped_rows == 1
    (event,) = [json.loads(line) for line in folder.events_path.read_text().splitlines()
                if json.loads(line)["event"] == "bad_row"]  # fmt: skip
    assert (event["split"], event["line"]) == ("train", 1)
    assert event["reason"]


def test_a_limit_bears_so_many_bad_rows_and_no_more(prepare):
    inputs, _, config = prepare("{", '{"id": 1}', data={"on_bad_row": "limit=2"})
    assert inputs.skipped_rows == 2
    assert config.data.on_bad_row == "limit 2", "the resolved configuration has one spelling"
    with pytest.raises(UserError, match="2 of 4 rows are bad, more than the 1 of the limit"):
        prepare("{", '{"id": 1}', data={"on_bad_row": "limit 1"})


def test_an_unknown_policy_says_what_there_is(prepare):
    with pytest.raises(UserError, match="give fail, skip, or limit N"):
        prepare(data={"on_bad_row": "drop"})


def test_a_gold_answer_no_verifier_can_score_is_named_before_training(prepare):
    row = ('{"id": "x", "video": "a.mp4", "question": "Q?", "answer_type": "number", '
           '"answer": "about three"}')  # fmt: skip
    with pytest.raises(UserError, match="'about three' is not a number"):
        prepare(row)


def test_bad_sft_records_are_named_and_left_out_of_the_file_that_is_trained_on(
    prepare, questions, tmp_path
):
    good = [SftRecord(question=q, response="<answer>B</answer>") for q in questions]
    lost = good[0].question.model_copy(update={"id": "lost", "video": "gone.mp4"})
    patch = EvidencePatch(
        error_types=("temporal",), guidance="Look again.",
        frames=(PatchFrame(t_s=1.0, image_sha256="0" * 64),),
    )
    bad = [
        SftRecord(question=lost, response="x"),
        SftRecord(question=good[0].question, response="<|im_end|>"),
        SftRecord(question=good[0].question, response="x", patch=patch),
    ]
    path = tmp_path / "records.jsonl"
    lines = [row.model_dump_json() for row in (good[0], *bad, good[1])]
    path.write_text("\n".join([*lines, '{"question": null}', "{"]))
    changes = {"stages": ["sft", "grpo"], "sft": {"batch_size": 2}}
    with pytest.raises(UserError, match=r"5 of 7 rows are bad: line 2 \(id 'lost'\)"):
        prepare(data={"sft": str(path)}, **changes)
    inputs, folder, _ = prepare(data={"sft": str(path), "on_bad_row": "skip"}, **changes)
    assert load_sft_records(inputs.sft) == good
    assert inputs.sft.parent == folder.path / "data"
    assert inputs.sft_media == tmp_path / "media", "images stay where they are"
    events = [json.loads(line) for line in folder.events_path.read_text().splitlines()]
    assert [(e["split"], e["line"], e["kind"]) for e in events] == [
        ("sft", 2, "media_undecodable"), ("sft", 3, "control_token"), ("sft", 4, "media_missing"),
        ("sft", 6, "schema"), ("sft", 7, "json"),
    ]  # fmt: skip


def test_fewer_rows_than_a_step_needs(prepare):
    with pytest.raises(UserError, match=r"data\.train has 2 usable rows, grpo\.questions_per_st"):
        prepare(grpo={"questions_per_step": 3})


def test_fewer_records_than_an_sft_batch_needs(prepare):
    with pytest.raises(UserError, match=r"data\.sft has 2 usable rows, sft\.batch_size=32 needs"):
        prepare(stages=["sft", "grpo"])
    inputs, _, _ = prepare(stages=["sft", "grpo"], sft={"batch_size": 2})
    assert inputs.sft is not None


def test_a_reward_that_no_question_can_earn(prepare):
    reward = {"components": [{"name": "tar"}], "encoder": {"kind": "lexical"}}
    with pytest.raises(UserError, match="none of the 2 training questions has reference events"):
        prepare(reward=reward)


def test_rewards_are_built_before_the_first_stage():
    check_components(RewardConfig())
    unknown = RewardConfig.model_validate({"components": [{"name": "tra"}]})
    with pytest.raises(UserError, match=r"no component 'tra'; known: .*tar"):
        check_components(unknown)
    judged = {"components": [{"name": "inconsistency"}], "judge": {"model": "m"}}
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        check_components(RewardConfig.model_validate(judged))


def test_a_stage_without_its_split(prepare):
    with pytest.raises(UserError, match=r"stage eval needs data\.test, which is not set"):
        prepare(stages=["grpo", "eval"])


def test_a_student_folder_without_a_checkpoint(prepare):
    inputs, folder, config = prepare()
    with pytest.raises(UserError, match=r"student\.path=.* holds no config\.json"):
        prepare_student(config, folder, inputs)


def test_a_tiny_student_is_built_once(prepare, tmp_path):
    student = {"path": None, "tiny": {"hidden_size": 64, "layers": 1, "heads": 4}}
    inputs, folder, config = prepare(student=student)
    made = prepare_student(config, folder, inputs)
    weights = made / "model.safetensors"
    before = (weights.stat().st_mtime_ns, weights.read_bytes())
    assert prepare_student(config, folder, inputs) == made
    assert (weights.stat().st_mtime_ns, weights.read_bytes()) == before
