"""A data set: resumable, concurrent, graded, and nothing lost on the way."""

from __future__ import annotations

import json

import pytest

from ffr.config.elect import ElectConfig, EndpointConfig
from ffr.config.student import FramesConfig
from ffr.data.load import load_questions
from ffr.elect.dataset import elect_dataset
from ffr.elect.endpoint import ChatEndpoint, EndpointSource
from ffr.errors import UserError


@pytest.fixture
def dataset(video):
    rows = [
        {"id": f"q{i}", "video": video.name, "question": f"Number {i}?", "answer_type": "number",
         "answer": str(i), "family": "even" if i % 2 == 0 else "odd"}
        for i in range(6)
    ]  # fmt: skip
    rows.append({**rows[0], "id": "gone", "video": "gone.mp4"})
    path = video.parent / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def number_of(upstream, body) -> str:
    return next(str(i) for i in range(6) if f"Number {i}?" in json.dumps(body["messages"]))


def config_for(upstream, **more) -> ElectConfig:
    return ElectConfig(
        endpoint=EndpointConfig(base_url=upstream.base_url, retries=0),
        frames=FramesConfig(count=4, max_pixels=48 * 32, size_multiple=16),
        **more,
    )


async def run(upstream, dataset, folder, config=None, **more):
    config = config or config_for(upstream)
    questions = load_questions(dataset, check_media=False).questions
    source = EndpointSource(ChatEndpoint(config.endpoint), config.evidence)
    try:
        return await elect_dataset(questions, dataset.parent, source, config, folder, **more)
    finally:
        await source.aclose()


def lines(folder):
    return [json.loads(line) for line in (folder / "elections.jsonl").read_text().splitlines()]


async def test_every_question_is_elected_graded_and_kept(upstream, dataset, tmp_path) -> None:
    upstream.hold_until = 6  # questions run together, not one after the other

    def reply(body):
        number = number_of(upstream, body)
        return upstream.said("0" if number == "3" else number)

    upstream.reply = reply
    seen = []
    summary = await run(
        upstream, dataset, tmp_path, progress=lambda done, total: seen.append((done, total))
    )
    assert summary["status"] == {"elected": 6, "skipped": 1}
    assert summary["accuracy"] == pytest.approx(5 / 6)
    assert summary["accuracy_by_family"] == {"even": 1.0, "odd": pytest.approx(2 / 3)}
    assert summary["candidates"]["mean"] == 3
    assert summary["candidates"]["early_stop_share"] == 1.0
    assert "gone.mp4" in next(iter(summary["skipped_because"]))
    assert summary["tokens"]["prompt"] == 6 * 4 * 100
    assert seen[0] == (0, 7)
    assert seen[-1] == (7, 7)
    assert upstream.most_at_once >= 6
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


async def test_a_second_run_asks_only_what_is_missing(upstream, dataset, tmp_path) -> None:
    upstream.reply = lambda b: upstream.said("1")
    await run(upstream, dataset, tmp_path)
    kept = lines(tmp_path)
    path = tmp_path / "elections.jsonl"
    texts = path.read_text().splitlines()
    lost = next(r["question_id"] for r in kept[:-1] if r["status"] == "elected")
    texts = [t for t, r in zip(texts, kept, strict=True) if r["question_id"] != lost]
    path.write_text("\n".join(texts) + '\n{"question_id": "q5", "torn')
    upstream.bodies.clear()
    summary = await run(upstream, dataset, tmp_path)
    again = {number_of(upstream, body) for body in upstream.bodies}
    assert again == {lost[1:]}
    assert summary["status"] == {"elected": 6, "skipped": 1}


async def test_elections_without_a_response_are_tried_again(upstream, dataset, tmp_path) -> None:
    upstream.reply = lambda b: (503, "down") if number_of(upstream, b) == "2" else \
        upstream.said("1")  # fmt: skip
    first = await run(upstream, dataset, tmp_path)
    assert first["status"] == {"elected": 5, "failed": 1, "skipped": 1}
    upstream.reply = lambda b: upstream.said("2")
    second = await run(upstream, dataset, tmp_path)
    assert second["status"] == {"elected": 6, "skipped": 1}


async def test_a_folder_of_other_settings_or_questions_is_refused(
    upstream, dataset, tmp_path
) -> None:
    upstream.reply = lambda b: upstream.said("1")
    await run(upstream, dataset, tmp_path)
    with pytest.raises(UserError, match="other settings"):
        await run(upstream, dataset, tmp_path, config_for(upstream, seed=1))
    more_at_once = config_for(upstream, questions_at_once=2)
    assert (await run(upstream, dataset, tmp_path, more_at_once))["status"]["elected"] == 6
    dataset.write_text(dataset.read_text().replace("Number 1?", "Number 1, really?"))
    with pytest.raises(UserError, match="other questions"):
        await run(upstream, dataset, tmp_path)


async def test_a_dead_endpoint_ends_the_run(upstream, video, tmp_path) -> None:
    rows = [
        {"id": f"q{i}", "video": video.name, "question": "?", "answer_type": "text",
         "answer": "a"} for i in range(20)
    ]  # fmt: skip
    dataset = video.parent / "many.jsonl"
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
    upstream.reply = lambda b: (500, "out of memory")
    with pytest.raises(UserError, match=r"8 questions in a row.*status 500"):
        await run(upstream, dataset, tmp_path, config_for(upstream, questions_at_once=1))
    assert len(lines(tmp_path)) == 8


def test_the_command(upstream, dataset, tmp_path, run_elect) -> None:
    upstream.reply = lambda b: upstream.said(number_of(upstream, b))
    words = (dataset, "--endpoint", upstream.base_url, "--output", tmp_path / "out", "--limit", 4,
             "frames.count=4")  # fmt: skip
    code, out, err = run_elect(*words)
    assert (code, err) == (0, "")
    assert "accuracy 1.000; 4 elected" in out
    asked = len(upstream.bodies)
    code, out, _ = run_elect(*words, "--json")
    assert json.loads(out)["accuracy"] == 1.0
    assert len(upstream.bodies) == asked
