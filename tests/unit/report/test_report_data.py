"""What a report is made of: outcomes, texts cut at times, counts, curves, findings, evaluations."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ffr.errors import UserError
from ffr.patches.looks import ShownPicture, ToolLook
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.report.bundle import FileBundle
from ffr.report.curves import curve_data, panels_of
from ffr.report.footage import Footage, Wanted
from ffr.report.group_data import group_data, moments
from ffr.report.notices import notices
from ffr.report.outcomes import OUTCOMES, error_mask, outcome_letter
from ffr.report.pictures import encode, reencode
from ffr.report.source import open_source
from ffr.report.stage_data import stage_data
from ffr.report.tally import Tally
from ffr.report.texts import MAX_CHARS, cut_at_times
from ffr.run.folder import RunFolder
from ffr.run.totals import RepairTotals, add_up


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", "student: {frames: {count: 8}}\n")


@pytest.mark.parametrize(
    ("letter", "how"),
    [
        ("R", {"first": True}),
        ("F", {"first": False, "second": True}),
        ("N", {"first": False, "second": False}),
        ("L", {"first": False, "no_patch": "leak"}),
        ("T", {"first": False, "no_patch": "timeout"}),
        ("P", {"first": False, "no_patch": "store_miss"}),
        ("S", {"first": False}),
    ],
)
def test_outcomes_have_letters(make_group, letter, how):
    assert outcome_letter(make_group(**how).outcomes[0]) == letter
    assert letter in OUTCOMES


def test_error_types_are_bits():
    patch = EvidencePatch(error_types=("misconception", "temporal"), guidance="Look.")
    assert error_mask(patch) == 0b101
    assert error_mask(None) == 0


@given(st.text(st.characters(codec=None), max_size=300))
def test_pieces_put_together_are_the_text(text):
    pieces, times = cut_at_times(text)
    assert "".join(p if isinstance(p, str) else str(p[0]) for p in pieces) == text
    assert all(t >= 0 for t in times)


def test_times_are_found_in_tags_and_words():
    pieces, times = cut_at_times("at <keyframes>1.5, 1:02</keyframes> and from 3 to 4.5 seconds.")
    assert times == [1.5, 62.0, 3.0, 4.5]
    assert pieces[1] == ["<keyframes>1.5, 1:02</keyframes>", 1.5, 62.0]
    assert pieces[3][1:] == [3.0, 4.5]
    long, _ = cut_at_times("x" * (MAX_CHARS + 5))
    assert "5 more characters" in long[-1]


def test_whatever_was_measured_of_an_answer_is_shown(make_group):
    measured = {
        "components": {"tar": None, "length": 0.5}, "component_problems": {"tar": "judge down"},
        "consistent": 1.0,
    }  # fmt: skip
    scores = group_data(make_group(answer=measured))["outcomes"][0]["first"]["scores"]
    assert scores == {
        "accuracy": 1.0, "format": 1.0, "components.tar": None, "components.length": 0.5,
        "component_problems.tar": "judge down", "consistent": 1.0,
    }  # fmt: skip


def test_moments_are_those_somebody_looked_at():
    patch = EvidencePatch(
        error_types=("spatial",), guidance="Look.", key_times_s=(1.0,),
        spatial_regions=(SpatialRegion(t_s=2.0, box=(0, 0, 1, 1)),),
        frames=(PatchFrame(t_s=3.0, image_sha256="a" * 64),),
    )  # fmt: skip
    look = ToolLook(name="clip", shown=(ShownPicture(t_s=4.0), ShownPicture(t_s=1.0)))
    assert moments([look], patch) == {1.0, 2.0, 3.0, 4.0}
    assert moments([], None) == set()


def test_tally_counts_what_the_findings_need(make_group):
    tally = Tally(frames=4)
    many = "<think><keyframes>1,2,3</keyframes></think><answer>x</answer>"
    tally.add(make_group(first=False, second=True, patch_id="p", answer={"text": many}))
    tally.add(make_group(answer={"finish_reason": "length", "format": 0.0}))
    tally.add(make_group(mode="validation"))
    assert (tally.groups, tally.answers) == (2, 3)
    assert (tally.cut_off, tally.malformed, tally.cites_much) == (1, 1, 1)
    assert (tally.baselines, tally.flat) == (2, 2)
    assert tally.by_step["temporal"][1] == [1, 2]
    assert tally.uses == {"p": 1}
    assert tally.seconds == [2.0]


def test_curves_keep_the_last_line_of_a_step_and_add_families(make_group):
    tally = Tally()
    tally.add(make_group(step=2))
    lines = [
        {"stage": "grpo", "step": 1, "time": 5.0, "actor/ppo_kl": 0.5},
        {"stage": "grpo", "step": 1, "actor/ppo_kl": 0.25, "store/hits": 1, "store/misses": 3},
        {"stage": "grpo", "step": 2, "actor/ppo_kl": None},
        {"stage": "sft", "step": 7, "loss": 1.0, "event": "checkpoint"},
        {"stage": "grpo", "event": "no step"},
    ]
    data = curve_data(lines, tally)
    assert data["grpo"]["steps"] == [1, 2]
    assert data["grpo"]["values"] == {
        "actor/ppo_kl": [0.25, None], "store/hits": [1.0, None], "store/misses": [3.0, None],
        "store/hit_rate": [0.25, None], "family/temporal": [None, 1.0],
    }  # fmt: skip
    titles = {panel["title"]: panel["metrics"] for panel in panels_of([data, {}])}
    assert titles["KL"] == ["actor/ppo_kl"]
    assert titles["SFT: loss"] == ["loss"]
    assert "Answer length, tokens" not in titles


def test_long_runs_are_thinned():
    lines = [{"stage": "grpo", "step": step, "x": 1.0} for step in range(9000)]
    assert len(curve_data(lines, Tally())["grpo"]["steps"]) == 1800


def test_findings(run, make_group):
    source = open_source(run.path, "run")
    groups = [make_group(first=False, no_patch="timeout") for _ in range(3)]
    tally = Tally()
    for group in groups:
        tally.add(group)
    totals = add_up(groups)
    totals.counters["leak_rejected"] = 2.0
    line = {"stage": "grpo", "step": 1, "loss": float("nan"), "rler/cited_share/mean": 1}
    run.append_metrics(line)
    run.append_event({"event": "bad_row"})
    found = {n["title"]: n for n in notices(source, totals, tally)}
    assert set(found) == {
        "The teacher fails", "Leaks refused", "Groups without a spread", "Not finished",
        "Rows skipped", "Numbers that are none", "The reward is gamed?",
    }  # fmt: skip
    assert "timeout 3" in found["The teacher fails"]["text"]
    assert next(iter(found.values()))["level"] == "bad"


def test_nothing_to_find_is_said(run, make_group):
    run.write_json("summary.json", {
        "status": "ok", "stages": {}, "accuracy": {}, "trained": {"original_tokens": 1,
        "repaired_tokens": 0}, "tools": {}, "store": {"hits": 0, "misses": 0}, "seconds": 1.0,
        "repair": {"rollouts": 1, "failed": 0, "teacher_calls": 0, "patches": 0, "succeeded": 0,
                   "leak_rejected": 0, "no_patch": {}}, "generated_sequences": 1,
    })  # fmt: skip
    found = notices(open_source(run.path, "run"), RepairTotals(), Tally())
    assert [n["level"] for n in found] == ["fine"]


def test_every_measure_of_an_evaluation_is_found(run):
    (run.path / "eval").mkdir()
    for name, tac in (("later", 0.3), ("after", 0.2), ("before", 0.1)):
        run.write_json(f"eval/{name}.json", {
            "all": {"accuracy": 0.5, "n": 4, "video_r2": {"tac": tac}}, "x": {"vas": 1, "n": 1},
            "text": "y",
        })  # fmt: skip
    (run.path / "eval" / "torn.json").write_text("{")
    data = stage_data(open_source(run.path, "run"))
    assert data is not None
    assert data["names"] == ["before", "after", "later"]
    assert data["metrics"] == ["accuracy", "video_r2/tac", "vas"]
    assert data["values"]["video_r2/tac"]["all"] == [0.1, 0.2, 0.3]
    assert data["values"]["vas"]["all"] == [None] * 3
    assert data["n"] == [4, 4, 4]


def test_folders_of_evaluations_are_read_too(run, tmp_path):
    def interval(value):
        return {"value": value, "low": 0.0, "high": 1.0, "n": 4, "method": "wilson"}

    scores = {
        "items": 4, "mra": interval(None), "truncated": interval(0.25),
        "accuracy": {"micro": interval(0.5), "by_family": {"x": interval(1.0)}},
        "metrics": {"tac": {"strict": interval(0.75), "coverage": 0.5, "method": "rules"}},
    }  # fmt: skip
    for folder in (run.path / "eval" / "sft", tmp_path / "base"):
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps(scores))
    own = stage_data(open_source(tmp_path / "base", "base"))
    inside = stage_data(open_source(run.path, "run"))
    assert own is not None
    assert inside is not None
    assert (own["names"], inside["names"]) == (["base"], ["sft"])
    assert own["metrics"] == ["accuracy", "tac/coverage", "tac/strict", "truncated"]
    assert own["values"]["accuracy"] == {"all": [0.5], "x": [1.0]}
    assert own["values"]["tac/strict"]["all"] == [0.75]
    assert own["n"] == [4]


def test_damaged_folders_are_read_as_far_as_they_go(run, make_group):
    log = run.rollout_log()
    log.append(make_group())
    with log.path(1).open("a") as file:
        file.write('{"schema_version": 1}\ntorn')
    (run.path / "manifest.json").write_text("[]")
    (run.path / "inputs.json").write_text(json.dumps({"store": 7, "media_root": "/nowhere"}))
    run.config_path.write_text("a: [")
    source = open_source(run.path, "run")
    assert [group.group for group in source.groups()] == ["g"]
    assert source.bad_lines == 2
    assert (source.config, source.manifest, source.summary) == ({}, {}, None)
    assert (source.store, source.media_root, source.frames) == (None, None, None)
    assert source.patches == {}


def test_a_resumed_step_counts_once(run, make_group):
    log = run.rollout_log()
    for attempt, gold in ((1, "old"), (2, "new")):
        with run.lock():
            log.append(make_group(attempt=attempt, gold=gold))
    assert [g.gold for g in open_source(run.path, "run").groups()] == ["new"]


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither a run folder"):
        open_source(tmp_path, "x")


def test_images_are_scaled_and_encoded_anew():
    noise = np.random.default_rng(0).integers(0, 255, (300, 900, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(encode(noise))) as image:
        assert (image.format, image.size) == ("WEBP", (320, 107))
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", comment=b"<script>")
    made = reencode(buffer.getvalue())
    assert made is not None
    assert b"<script>" not in made
    assert reencode(b"GIF89a not an image") is None
    assert reencode(buffer.getvalue()[:200]) is None


def test_a_video_that_cannot_be_read_is_named_once(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    footage = Footage(FileBundle(), Path(tmp_path), None)
    for _ in range(2):
        shown = footage.show(Wanted("broken.mp4", {1.0}))
        assert shown["views"] == {}
        assert shown["problem"]
    assert sum(footage.problems.values()) == 1
    assert footage.show(Wanted("../elsewhere.mp4"))["problem"] == "MediaNotAllowed"
    full = Footage(FileBundle(), Path(tmp_path), None, budget_bytes=0)
    assert "--media-mb" in full.show(Wanted("broken.mp4"))["problem"]
