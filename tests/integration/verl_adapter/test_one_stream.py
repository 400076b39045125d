"""Images handed over as videos: one call of the vision tower a micro-batch, the same numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

IMAGE, VIDEO = 7, 8
PROCESSOR: Any = SimpleNamespace(
    image_token_id=IMAGE, video_token_id=VIDEO, image_processor=SimpleNamespace(merge_size=2)
)


def media(*grids: tuple[int, int, int], start: int) -> dict[str, torch.Tensor]:
    """Patches numbered from ``start``, one value each."""
    count = sum(t * h * w for t, h, w in grids)
    return {"pixels": torch.arange(start, start + count).unsqueeze(-1), "grid": torch.tensor(grids)}


def row(ids: list[int], *, images: Any = None, videos: Any = None) -> tuple[Any, dict[str, Any]]:
    inputs = {"second_per_grid_ts": torch.tensor([0.5])}
    if images:
        inputs |= {"pixel_values": images["pixels"], "image_grid_thw": images["grid"]}
    if videos:
        inputs |= {"pixel_values_videos": videos["pixels"], "video_grid_thw": videos["grid"]}
    return torch.tensor(ids), inputs


def test_pictures_come_in_the_order_of_their_placeholders():
    from ffr.train.verl.one_stream import one_visual_stream

    # One image, a video of two groups with text between them, another image.
    ids, inputs = row(
        [1, IMAGE, 2, VIDEO, 3, VIDEO, 4, IMAGE, IMAGE, 5],
        images=media((1, 2, 2), (1, 2, 4), start=0), videos=media((2, 2, 2), start=100),
    )  # fmt: skip
    before = {name: value.clone() for name, value in inputs.items()}
    new, stream = one_visual_stream(PROCESSOR, ids, inputs)
    assert new.tolist() == [1, VIDEO, 2, VIDEO, 3, VIDEO, 4, VIDEO, VIDEO, 5]
    assert stream["video_grid_thw"].tolist() == [[1, 2, 2], [2, 2, 2], [1, 2, 4]]
    assert stream["pixel_values_videos"][:, 0].tolist() == [
        *range(4), *range(100, 108), *range(4, 12)
    ]  # fmt: skip
    assert stream.keys() == {"second_per_grid_ts", "pixel_values_videos", "video_grid_thw"}
    assert all(torch.equal(inputs[name], value) for name, value in before.items())


def test_a_row_without_images_stays_as_it_is():
    from ffr.train.verl.one_stream import one_visual_stream

    ids, inputs = row([VIDEO, 1], videos=media((1, 2, 2), start=0))
    new, stream = one_visual_stream(PROCESSOR, ids, inputs)
    assert new is ids
    assert stream == inputs
    assert stream is not inputs


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        ([IMAGE, IMAGE, VIDEO], "has no picture behind it"),
        ([IMAGE], "do not fit the pictures"),
        ([VIDEO, IMAGE, VIDEO], "not all of one kind"),
    ],
)
def test_placeholders_that_do_not_fit_are_refused(ids, problem):
    from ffr.train.verl.one_stream import one_visual_stream

    grid = (2, 2, 2) if ids[0] == VIDEO else (1, 2, 2)
    tokens, inputs = row(
        ids, images=media((1, 2, 2), start=0), videos=media(grid, start=100)
    )
    with pytest.raises(ValueError, match=problem):
        one_visual_stream(PROCESSOR, tokens, inputs)


@pytest.mark.usefixtures("clean")
def test_every_micro_batch_calls_the_vision_tower_once(job, kit, questions):
    """Otherwise ranks with and without a patch's images would wait for each other."""
    teacher = kit.Teacher(kit.patch(job.store.media, 1, 2))
    firsts = [kit.reply("A", "It may be a green circle."), *["It may be."] * 3]
    client = kit.Client(job.agent._renderer.processor, firsts, [kit.reply("B"), kit.reply("A")])
    job.submit("s1q0", questions[0], client, teacher)
    right = kit.Client(
        job.agent._renderer.processor, [kit.reply("B"), *["It may be."] * 3], [kit.reply("A")] * 2
    )
    job.submit("s1q1", questions[1], right, teacher)
    assert len(teacher.asked) == 4
    calls: list[str] = []

    def count(part: str) -> Any:
        return lambda *_: calls.append(part)

    model = job.actor.actor.engine.module.model
    hooks = [getattr(model, part).register_forward_hook(count(part))
             for part in ("visual", "language_model")]  # fmt: skip
    try:
        found, _, batch = job.step()
    finally:
        for hook in hooks:
            hook.remove()
    assert len(batch) > 3  # more than one micro-batch
    assert calls.count("language_model") >= 4  # old log-probabilities and the update
    assert calls.count("visual") == calls.count("language_model")
    assert found
