"""Elections on a real video against a real HTTP endpoint, from the command line too."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from ffr.config.elect import ElectConfig, EndpointConfig, RefereeConfig
from ffr.config.student import FramesConfig
from ffr.data.question import AskedQuestion
from ffr.elect.ask import ask
from ffr.elect.endpoint import ChatEndpoint, EndpointSource
from ffr.errors import UserError


def config_for(upstream, **more) -> ElectConfig:
    return ElectConfig(
        endpoint=EndpointConfig(base_url=upstream.base_url, retries=0),
        frames=FramesConfig(count=8, max_pixels=64 * 48, size_multiple=16),
        **more,
    )


async def held(upstream, video, config=None, **asked):
    config = config or config_for(upstream)
    question = AskedQuestion(
        id="q", video=video.name, question="Which side is bright?", options=("left", "right"),
        answer_type="choice", **asked,
    )  # fmt: skip
    source = EndpointSource(ChatEndpoint(config.endpoint), config.evidence)
    try:
        return await ask(question, video.parent, source, config)
    finally:
        await source.aclose()


async def test_candidates_see_captioned_frames_under_their_views(upstream, video) -> None:
    upstream.reply = lambda body: upstream.said("B", "3, 4")
    record = (await held(upstream, video)).record
    assert (record.status, record.answer, record.generated) == ("elected", "B", 3)
    by_heat = {b["temperature"]: b for b in upstream.bodies if not upstream.is_referee(b)}
    assert sorted(by_heat) == [0.2, 0.7, 0.9]
    texts = upstream.texts_of(by_heat[0.2])
    assert texts[0] == "Frame 1 (0.5 s):"
    assert texts[7] == "Frame 8 (7.5 s):"
    assert "A. left\nB. right" in texts[8]
    assert "8 frames are numbered 1 to 8" in texts[8]
    plain, bright, centre = (upstream.images_of(by_heat[t]) for t in (0.2, 0.7, 0.9))
    assert len(plain) == len(bright) == len(centre) == 8
    assert bright[0].mean() > 1.1 * plain[0].mean()
    assert abs(centre[0].mean() - plain[0].mean()) < 3
    assert centre[0].shape == plain[0].shape
    # never flipped, never reversed: dark stays left, and time runs on
    for frames in (plain, bright, centre):
        assert frames[0][:, :20].mean() < frames[0][:, -20:].mean()
        assert frames[0].mean() < frames[-1].mean()
    assert [(c.unit, c.t_s) for c in record.cited] == [(3, 2.5), (4, 3.5)]
    assert len({b["seed"] for b in by_heat.values()}) == 3


async def test_the_referee_sees_the_cited_frames_only_and_is_asked_once(upstream, video) -> None:
    def reply(body):
        if upstream.is_referee(body):
            return "<sufficient>no</sufficient><score>0</score>"
        if body["temperature"] == 0.9:
            return upstream.said("B", "2, 5", 0.9)
        return upstream.said("A", "7", 0.5)

    upstream.reply = reply
    record = (await held(upstream, video)).record
    checks = [b for b in upstream.bodies if upstream.is_referee(b)]
    assert len(checks) == 1
    assert (checks[0]["temperature"], checks[0]["max_tokens"]) == (0.0, 64)
    assert upstream.texts_of(checks[0])[0] == "Frame 7 (6.5 s):"
    assert len(upstream.images_of(checks[0])) == 1
    assert "rather than this other one: B" in upstream.texts_of(checks[0])[-1]
    assert (record.referee.factor, record.referee.overturned) == (0.5, record.answer == "B")


async def test_the_same_seed_asks_the_same(upstream, video) -> None:
    await held(upstream, video)
    first = sorted(json.dumps(b) for b in upstream.bodies)
    upstream.bodies.clear()
    await held(upstream, video)
    assert sorted(json.dumps(b) for b in upstream.bodies) == first
    upstream.bodies.clear()
    await held(upstream, video, config_for(upstream, seed=1))
    assert sorted(json.dumps(b) for b in upstream.bodies) != first


async def test_failures_are_invalid_votes_and_tell_no_secret(upstream, video, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")

    def reply(body):
        if body["temperature"] == 0.7:
            return 400, "bad key sk-very-secret-key"
        return upstream.said("B")

    upstream.reply = reply
    record = (await held(upstream, video)).record
    assert record.answer == "B"
    assert record.generated == 4  # one of the first three failed
    broken = record.candidates[1]
    assert broken.reason == "failed"
    assert "status 400" in broken.detail
    assert "secret" not in record.model_dump_json()
    assert upstream.keys[0] == "Bearer sk-very-secret-key"


async def test_the_batch_is_asked_concurrently(upstream, video) -> None:
    upstream.hold_until = 3
    await held(upstream, video, config_for(upstream, referee=RefereeConfig(when="off")))
    assert upstream.most_at_once == 3


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (None, "is not set"),
        ("ftp://host/v1", "http"),
        ("http://u:pw@host/v1", "without user"),
        ("http://far.example/v1", "OPENAI_API_KEY"),
    ],
)
def test_a_bad_endpoint_is_refused_with_the_fix(url, problem) -> None:
    with pytest.raises(UserError, match=problem) as error:
        ChatEndpoint(EndpointConfig(base_url=url))
    assert "pw" not in str(error.value)


def test_the_command_prints_votes_and_saves_a_contact_sheet(
    upstream, video, tmp_path, run_elect
) -> None:
    upstream.reply = lambda body: upstream.said("right", "3, 9" if body["seed"] % 2 else "3")
    code, out, err = run_elect(
        video, "Which side is bright?", "--option", "left", "--option", "right", "--endpoint",
        upstream.base_url, "--model", "m", "frames.count=8", "--output", tmp_path,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "answer: right" in out
    assert "100.0%" in out
    assert "cited: frame 3 at 2.50 s" in out
    assert json.loads((tmp_path / "election.json").read_text())["answer"] == "right"
    assert Image.open(tmp_path / "contact_sheet.png").width > 60


def test_no_answer_shows_the_raw_texts_and_exits_with_1(
    upstream, video, tmp_path, run_elect
) -> None:
    upstream.reply = lambda _: "It is the right side, surely."
    code, out, err = run_elect(
        video, "Which side?", "--endpoint", upstream.base_url, "--json", "--output", tmp_path / "o"
    )
    assert (code, err) == (1, "")
    record = json.loads(out)
    assert (record["status"], record["answer"], record["contact_sheet"]) == (
        "no_answer", None, None,
    )  # fmt: skip
    assert {c["text"] for c in record["candidates"]} == {"It is the right side, surely."}
    assert len(record["candidates"]) == 8


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["clip.mp4", "Which?"], "--endpoint"),
        (["clip.mp4", "Which?", "extra"], "quotes"),
        (["clip.mp4", "Which?", "budget.frist=2"], "budget.first"),
        (["clip.mp4", "Which?", "--type", "poem"], "--type"),
        (["clip.mp4", "Which?", "--option", "one"], "2 to 26"),
        (["clip.mp4", " "], "empty"),
    ],
)
def test_mistakes_are_one_line_with_the_fix(run_elect, words, problem) -> None:
    code, _, err = run_elect(*words)
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1


def test_a_dead_endpoint_is_named(upstream, video, run_elect, tmp_path) -> None:
    code, _, err = run_elect(
        video, "Which?", "--endpoint", "http://127.0.0.1:9/v1", "endpoint.retries=0",
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert code == 2
    assert "no connection" in err
