"""The brain of the demo teacher: a scripted observer in place of a large vision model.

It gets what a model gets over HTTP (text, images, tool schemas, tool results), asks for
tools, looks at the pixels that come back and says where and when to look.  It keeps nothing
between requests: every step is decided from the conversation alone.  Method: ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ffr.demo.observer_answer import evidence_answer, nothing_found_answer
from ffr.demo.observer_calls import ToolRequest, ToolSpec, compose
from ffr.demo.observer_images import ImageReader
from ffr.demo.observer_reading import Conversation, SeenImage
from ffr.demo.observer_sight import Look, change_between
from ffr.demo.vocabulary import SLOT_S
from ffr.geometry import RawBox

__all__ = ["Observer", "ObserverSettings", "Reply", "padded", "slot_around"]


@dataclass(frozen=True)
class ObserverSettings:
    """How carefully the observer looks.

    Attributes:
        evidence_frames: most whole frames it cites (a zoomed object takes one crop).
        spacing_s: seconds between the frames of a close look; finds any flash longer than this.
        small_side: an object whose longer side is below this share of the picture is zoomed in on.
        zoom_scale: side of the zoomed box over the side of the object.
        zoom_least: least side of the zoomed box as a share of the picture.
        overview_frames, film_frames: frames of an overview of one slot, of the whole video.
        max_rounds: tool rounds after which it answers even if it was not asked to.
    """

    evidence_frames: int = 2
    spacing_s: float = 0.2
    small_side: float = 0.12
    zoom_scale: float = 1.7
    zoom_least: float = 0.06
    overview_frames: int = 3
    film_frames: int = 12
    max_rounds: int = 6


@dataclass(frozen=True)
class Reply:
    """Either tool calls, or (when there are none) the final content."""

    calls: tuple[ToolRequest, ...]
    content: str


@dataclass(frozen=True, eq=False)
class _Seen:
    """An image together with what was seen in it."""

    image: SeenImage
    look: Look


class Observer:
    """Decides the next assistant turn of a diagnosis.

    Args:
        images: reads the images of a conversation; shared, so that each is decoded once.
    """

    def __init__(self, images: ImageReader, settings: ObserverSettings | None = None) -> None:
        self._images = images
        self._settings = settings or ObserverSettings()

    def decide(self, conversation: Conversation, tools: Mapping[str, ToolSpec]) -> Reply:
        """The next turn.

        Args:
            conversation: what the client has sent.
            tools: what may be called now, empty when the client allows no calls.

        Raises:
            UnreadableImageError: an image that matters here could not be decoded.
        """
        if conversation.final_requested or conversation.rounds >= self._settings.max_rounds:
            tools = {}
        task = conversation.task
        if task.asked_s is None or (task.duration_s is not None and task.asked_s > task.duration_s):
            return self._compare(conversation, tools, None)
        return self._watch(conversation, tools, slot_around(task.asked_s, task.duration_s))

    def _watch(
        self, conversation: Conversation, tools: Mapping[str, ToolSpec], span: tuple[float, float]
    ) -> Reply:
        """Find the object in one slot."""
        search = self._next_search(conversation, tools, span)
        if not conversation.calls and search is not None:
            overview = self._call(tools, "timestamp", *span, self._settings.overview_frames)
            first = [overview] if overview is not None and search.name != "timestamp" else []
            return Reply(calls=(*first, search), content="")
        seen = self._frames(conversation, span)
        run = _longest_run(seen)
        if not run:
            if search is not None:
                return Reply(calls=(search,), content="")
            if seen and not any(item.look.grey for item in seen):
                return self._compare(conversation, {}, span)  # real footage: compare frames
            return Reply(calls=(), content=nothing_found_answer(span))
        best = _middle(run, 1)[0]
        box = best.look.box
        brief = (run[-1].image.t_s - run[0].image.t_s) < SLOT_S / 4
        kinds = ["temporal"] if brief else []
        cited = [item.image for item in _middle(run, self._settings.evidence_frames)]
        if box is not None and best.look.side < self._settings.small_side:
            crops = [i for i in conversation.images if i.box is not None and _covers(i, span, box)]
            zoom = self._zoom(conversation, tools, best.image.t_s, box)
            if not crops and zoom is not None:
                return Reply(calls=(zoom,), content="")
            cited = crops[-1:] or cited
            kinds.append("spatial")
        return self._answer(
            conversation, kinds or ["misconception"], _run_span(run, seen, span), cited
        )

    def _compare(
        self,
        conversation: Conversation,
        tools: Mapping[str, ToolSpec],
        span: tuple[float, float] | None,
    ) -> Reply:
        """Find the moment of the greatest change, in the whole video or within ``span``."""
        if not conversation.calls:
            end_s = conversation.task.duration_s or max(
                (image.t_s for image in conversation.images), default=0.0
            )
            overview = self._call(tools, "timestamp", 0.0, end_s, self._settings.film_frames)
            overview = overview or self._call(tools, "clip", 0.0, end_s, self._settings.film_frames)
            if overview is not None and end_s > 0:
                return Reply(calls=(overview,), content="")
        seen = self._frames(conversation, span or (0.0, math.inf))
        if not seen:
            return Reply(calls=(), content=nothing_found_answer(span))
        pair = _most_changed(seen)
        start_s, end_s = pair[0].image.t_s, pair[-1].image.t_s
        if conversation.rounds == 1 and end_s > start_s:
            closer = self._call(tools, "clip", start_s, end_s, self._settings.film_frames // 2)
            if closer is not None:
                return Reply(calls=(closer,), content="")
        cited = [item.image for item in pair][-self._settings.evidence_frames :]
        return self._answer(conversation, ["temporal"], (start_s, end_s), cited)

    def _answer(
        self,
        conversation: Conversation,
        error_types: Sequence[str],
        span: tuple[float, float],
        cited: Sequence[SeenImage],
    ) -> Reply:
        content = evidence_answer(error_types, span, cited, terse=conversation.answered)
        return Reply(calls=(), content=content)

    def _zoom(
        self, conversation: Conversation, tools: Mapping[str, ToolSpec], t_s: float, box: RawBox
    ) -> ToolRequest | None:
        """A closer look at ``box``; once more, twice as wide, when the first was refused."""
        made = sum(call.name == "zoom" for call in conversation.calls)
        if made > 1 or "zoom" not in tools:
            return None
        scale, least = self._settings.zoom_scale * (1 + made), self._settings.zoom_least
        # Labels are rounded to milliseconds; stay behind the frame's first instant.
        wanted = padded(box, scale, least * (1 + made))
        return compose(tools["zoom"], t_s=round(t_s + 0.001, 3), box=list(wanted))

    def _next_search(
        self, conversation: Conversation, tools: Mapping[str, ToolSpec], span: tuple[float, float]
    ) -> ToolRequest | None:
        """The next close look at ``span``: the whole of it, then once more half a step later."""
        name = "clip" if "clip" in tools else "timestamp"
        if name not in tools:
            return None
        # The frame at a slot's very edge may belong to its neighbour.
        inset = 0.1 * self._settings.spacing_s
        start_s, end_s = span[0] + inset, span[1] - inset
        wanted = math.ceil((end_s - start_s) / self._settings.spacing_s) + 1
        frames = max(3, min(wanted, tools[name].most("frames", wanted)))
        half = (end_s - start_s) / (frames - 1) / 2
        plans = ((start_s, end_s, frames), (start_s + half, end_s - half, frames - 1))
        made = sum(call.name == name for call in conversation.calls)
        return self._call(tools, name, *plans[made]) if made < len(plans) else None

    def _call(
        self, tools: Mapping[str, ToolSpec], name: str, start_s: float, end_s: float, frames: int
    ) -> ToolRequest | None:
        spec = tools.get(name)
        if spec is None or end_s <= start_s:
            return None
        return compose(
            spec, start_s=round(start_s, 3), end_s=round(end_s, 3), frames=frames, mode="exact"
        )

    def _frames(self, conversation: Conversation, span: tuple[float, float]) -> list[_Seen]:
        """Whole frames within ``span``, one per time, in time order, all from one source.

        Sources are not mixed, because overview frames may carry a burnt-in clock.  Close looks
        come first, then what the client showed at the start, then overviews.
        """
        inside = [i for i in conversation.images if i.box is None and span[0] <= i.t_s < span[1]]
        for tool in ("clip", None, "timestamp"):
            by_time = {image.t_s: image for image in inside if image.tool == tool}
            if by_time:
                return [
                    _Seen(image, self._images.look(image.url))
                    for _, image in sorted(by_time.items())
                ]
        return []


def slot_around(asked_s: float, duration_s: float | None) -> tuple[float, float]:
    """The slot of ``SLOT_S`` seconds that ``asked_s`` lies in, cut at the video's end."""
    start_s = math.floor(asked_s / SLOT_S) * SLOT_S
    end_s = start_s + SLOT_S
    if duration_s is not None and start_s < duration_s:
        end_s = min(end_s, duration_s)
    return start_s, end_s


def padded(box: RawBox, scale: float, least: float = 0.0) -> RawBox:
    """``box`` grown ``scale`` times around its centre, moved back inside the picture.

    Args:
        box: normalised box.
        scale: at least 1.
        least: smallest side of the result, as a share of the picture.
    """
    x0, y0, x1, y1 = box
    side_x = min(1.0, max(least, (x1 - x0) * scale))
    side_y = min(1.0, max(least, (y1 - y0) * scale))
    left = min(max((x0 + x1 - side_x) / 2, 0.0), 1.0 - side_x)
    top = min(max((y0 + y1 - side_y) / 2, 0.0), 1.0 - side_y)
    return (
        round(left, 4), round(top, 4), round(min(1.0, left + side_x), 4),
        round(min(1.0, top + side_y), 4),
    )


def _longest_run(seen: Sequence[_Seen]) -> list[_Seen]:
    """The uninterrupted run of frames with an object that shows most of it."""
    runs: list[list[_Seen]] = [[]]
    for item in seen:
        if item.look.box is not None:
            runs[-1].append(item)
        elif runs[-1]:
            runs.append([])
    return max(runs, key=lambda run: sum(item.look.area for item in run))


def _middle(run: Sequence[_Seen], count: int) -> list[_Seen]:
    """Up to ``count`` consecutive members from the middle of a run, in order."""
    first = max(0, (len(run) - count) // 2)
    return list(run[first : first + count])


def _run_span(
    run: Sequence[_Seen], seen: Sequence[_Seen], span: tuple[float, float]
) -> tuple[float, float]:
    """When the run can have been on screen: half-way to the nearest frames without it."""
    times = [item.image.t_s for item in seen]
    first_s, last_s = run[0].image.t_s, run[-1].image.t_s
    before = max((t for t in times if t < first_s), default=span[0])
    after = min((t for t in times if t > last_s), default=span[1])
    return (before + first_s) / 2, (last_s + after) / 2


def _covers(image: SeenImage, span: tuple[float, float], box: RawBox) -> bool:
    """Whether a crop shows the centre of ``box`` within ``span``."""
    if image.box is None or not span[0] <= image.t_s < span[1]:
        return False
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return image.box[0] <= x <= image.box[2] and image.box[1] <= y <= image.box[3]


def _most_changed(seen: Sequence[_Seen]) -> tuple[_Seen, ...]:
    """The two neighbouring frames that differ most, or the only frame."""
    pairs = list(pairwise(seen))
    if not pairs:
        return (seen[0],)
    return max(pairs, key=lambda pair: change_between(pair[0].look, pair[1].look))
