"""Protocols: strict files, a hash over what decides an answer, and nothing else."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from ffr.config.load import dump_config, load_config
from ffr.config.protocol import EvalProtocol
from ffr.config.student import FramesConfig, PromptConfig
from ffr.errors import UserError
from ffr.evaluate.protocol import (
    differing_keys,
    load_protocol,
    protocol_content,
    protocol_hash,
    protocol_names,
)


@pytest.mark.parametrize("name", protocol_names())
def test_every_shipped_protocol_loads_and_repeats(name, tmp_path):
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.description
    dumped = tmp_path / "again.yaml"
    dumped.write_text(dump_config(protocol))
    assert load_protocol(dumped) == protocol
    assert protocol_hash(load_protocol(dumped)) == protocol_hash(protocol)


def test_the_named_ones_are_what_their_names_say():
    assert [load_protocol(f"video{n}").frames.count for n in (16, 32, 64)] == [16, 32, 64]
    assert len({protocol_hash(load_protocol(name)) for name in protocol_names()}) == len(
        protocol_names()
    )
    assert load_protocol("video32_elect").election is not None
    assert not load_protocol("video16_direct").thinking


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x\nframes: {cuont: 8}\n", r"frames.count"),
        ("name: x\nframes: {count: '8'}\n", r"frames.count"),
        ("name: x\nframes: {count: 0}\n", r"frames.count"),
        ("name: x\nframes: {fps: -1.0}\n", r"frames.fps"),
        ("name: x\nsampling: {temperature: 3.0}\n", r"sampling.temperature"),
        ("name: x\nsampling: {temperature: .nan}\n", r"NaN|nan"),
        ("name: x y\n", r"name"),
        ("frames: {count: 8}\n", r"name is not set"),
        ("name: x\nthinking: false\nprompt: {ask_keyframes: true}\n", r"thinking=true"),
        ("name: x\nthinking: false\nelection: {}\n", r"leave election out"),
        ("name: x\nmetrics: [tac, tac]\n", r"repeats"),
        ("name: x\nname: y\n", r"already in line"),
    ],
)
def test_mistakes_in_a_file_are_named(text, problem, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        load_protocol(path)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'video17' is neither a file.*video16, .*video64"):
        load_protocol("video17")
    with pytest.raises(UserError, match="neither a file"):
        load_protocol("../protocols/video16")


def test_the_hash_follows_what_decides_an_answer_and_nothing_else():
    base = load_protocol("demo")
    for same in (
        ["description=other"], ["name=other"], ["metrics=[]"], ["citation_tolerance_s=3.0"],
        ["judge={model: small}"],
    ):  # fmt: skip
        assert protocol_hash(load_protocol("demo", same)) == protocol_hash(base)
    for other in (
        ["frames.count=4"], ["frames.fps=2.0"], ["frames.clock=true"], ["prompt.system=Look."],
        ["prompt.instruction=Answer."], ["sampling.temperature=0.5"], ["sampling.seed=1"],
        ["sampling.max_new_tokens=41"], ["scoring=parity"], ["election={}"],
        ["thinking=false", "prompt.ask_keyframes=false"],
    ):  # fmt: skip
        assert protocol_hash(load_protocol("demo", other)) != protocol_hash(base), other


def test_a_changed_wording_is_another_protocol(monkeypatch):
    before = protocol_hash(load_protocol("video16"))
    monkeypatch.setattr("student.prompt._THINK", "Think hard.")
    assert protocol_hash(load_protocol("video16")) != before


def test_differing_keys_name_both_values():
    one, other = (protocol_content(load_protocol("demo", [f"frames.count={n}"])) for n in (8, 4))
    assert differing_keys(one, other) == ["frames.count: 8 against 4"]
    assert differing_keys({"a": {"b": 1}}, {"a": {}}) == ["a.b: 1 against nothing",
                                                          "a: nothing against {}"]
    assert differing_keys(one, one) == []


def test_the_protocol_becomes_what_renderer_and_election_take():
    protocol = load_protocol("demo_elect", ["frames.clock=true"])
    frames = FramesConfig(count=8, exact_size=(32, 32), size_multiple=16, clock_overlay=True)
    assert protocol.student_frames(28).model_dump(exclude={"max_pixels"}) == frames.model_dump(
        exclude={"max_pixels"}
    )
    assert protocol.student_prompt() == PromptConfig(style="compact", ask_keyframes=True)
    elect = protocol.elect_config()
    assert (elect.mode, elect.frames.count, elect.long_video_frames) == ("elect", 8, 8)
    assert elect.referee.by == "rule"
    assert load_protocol("video16").elect_config(32).frames.size_multiple == 32
    assert load_protocol("video16").elect_config().mode == "single"
    assert load_protocol("video16_direct").student_prompt().style == "direct"


def test_training_cannot_ask_for_answers_without_reasoning(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps({"student": {"path": "x", "prompt": {"style": "direct"}}}))
    with pytest.raises(UserError, match="evaluation"):
        load_config([path])


def test_protocols_are_frozen():
    with pytest.raises(ValidationError):
        EvalProtocol(name="x").name = "y"  # type: ignore[misc]
