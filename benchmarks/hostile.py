"""Fuzzing at full size: 10,000 argument sets, 1,000 spoilt videos, 5,000 names of files.

Calls go through the runner as a teacher's do.  Nothing may raise here, no call may outlast its
deadline, no file outside the media folder may be opened (bait lies beside it, and the kernel
tells), and no message for a model may hold a path, a variable or a trace.

    python benchmarks/hostile.py [--arguments 10000] [--media 1000] [--names 5000] [--seed 0]

Prints how often each outcome came; exits with 1 when something that must hold did not.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from hostile_arguments import LURES, hostile_calls
from hostile_checks import CANARY, Bait, problems
from hostile_media import CONTAINERS, good_videos, mutate

from teacher_tools import ToolResult, ToolRunner, Toolset, builtin_toolset
from teacher_tools.media import MediaError, resolve_media

__all__ = ["Tally", "arguments", "bait_in", "media", "names", "short_tools"]

_SECONDS = 5.0  # budget of each call here; the tools' own are longer
_SLACK_S = 60.0  # grace, a fresh worker, and a machine that has other things to do
_VIDEO_S = 2.0
_CALLS = (
    ("clip", {"start_s": 0.2, "end_s": 1.8, "frames": 6}),
    ("zoom", {"t_s": 1.0, "box": [0.2, 0.2, 0.8, 0.8]}),
    ("timestamp", {"frames": 6}),
    ("timestamp", {"frames": 6, "mode": "keyframe"}),
)


@dataclasses.dataclass
class Tally:
    """How often what happened."""

    outcomes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    violations: list[str] = dataclasses.field(default_factory=list)

    def add(self, outcome: str, wrong: Iterable[str], what: str) -> None:
        """Count an outcome and keep what was wrong with it."""
        self.outcomes[outcome] += 1
        self.violations += [f"{what}: {problem}" for problem in wrong]


def short_tools(seconds: float = _SECONDS) -> Toolset:
    """The built-in tools with less time."""
    tools = builtin_toolset()
    return Toolset(
        (
            dataclasses.replace(tool, budget=dataclasses.replace(tool.budget, seconds=seconds)),
            tools.origin(tool.name),
        )
        for tool in tools
    )


def bait_in(folder: Path) -> Bait:
    """A good video and two other files that nothing may open."""
    (video,) = good_videos(folder, ["plain.mp4"])
    files = {"secret.mp4": video.read_bytes(), "secret.txt": b"secret", "secret.ts": bytes(188)}
    return Bait(folder / "bait", files)


def arguments(runner: ToolRunner, count: int, seed: int, folder: Path, bait: Bait) -> Tally:
    """Hostile arguments on a sound video: answered or refused, never a failure."""
    (video,) = good_videos(folder, ["h264.mkv"])
    tally = Tally()
    lures = [str(path) for path in bait.paths]
    calls = hostile_calls(list(runner.toolset), count, seed, _VIDEO_S, lures)
    for what, result in _results(runner, ((name, text, video) for name, text in calls)):
        wrong = _wrong(runner, what[0], result, _VIDEO_S)
        if isinstance(result, ToolResult) and result.boundary is not None:
            wrong.append(f"failed on a sound video: {result.detail[-500:]}")
        tally.add(_outcome(result), wrong, f"{what[0][:40]!r} {what[1][:300]!r}")
    _check_bait(bait, tally)
    return tally


def media(runner: ToolRunner, count: int, seed: int, folder: Path, bait: Bait) -> Tally:
    """Spoilt videos: evidence of what is left, or a failure at the decode boundary."""
    rng = random.Random(seed)
    good = [path.read_bytes() for path in good_videos(folder)]
    scripts = [_script(kind, path) for kind in _SCRIPTS for path in bait.paths]
    tally = Tally()

    def calls() -> Iterator[tuple[str, str, Path]]:
        for number in range(count):
            which = number % len(good)
            way, data = mutate(rng, good[which], [*good, *scripts])
            name = f"{number:05d}_{way}_{list(CONTAINERS)[which]}"
            path = folder / name
            path.write_bytes(data)
            for tool, given in (_CALLS[0], _CALLS[1 + number % 3]):
                yield tool, json.dumps(given), path

    for what, result in _results(runner, calls()):
        wrong = _wrong(runner, what[0], result)
        if isinstance(result, ToolResult) and result.boundary == "tool":
            wrong.append(f"failed outside the decoder: {result.detail[-500:]}")
        tally.add(_outcome(result), wrong, f"{what[0]} {what[2].name}")
    _check_bait(bait, tally)
    return tally


def names(count: int, seed: int, folder: Path, bait: Bait) -> Tally:
    """Hostile names of files: a file below the root, or a typed error."""
    rng = random.Random(seed)
    root = folder / "names"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "v.mp4").write_bytes(b"v")
    (root / "out").symlink_to(bait.paths[0].parent)
    (root / "out.mp4").symlink_to(bait.paths[0])
    (root / "loop").symlink_to(root / "loop")
    good = ("deep", "v.mp4", ".", "deep/er/..")
    bad = (
        "er", "out", "out.mp4", "loop", "..", "", "~", "secret.mp4", "/", "\0", "\ud800", "é",
        "x" * 300, "file:", "%2e%2e", str(root), *LURES, *map(str, bait.paths),
    )  # fmt: skip
    tally = Tally()
    for _ in range(count):
        parts = [
            rng.choice(good if rng.random() < 0.6 else bad) for _ in range(rng.randrange(1, 6))
        ]
        name = rng.choice(("/", "/", "//", "", "\\")).join(parts)
        wrong, outcome = [], "file"
        try:
            path = resolve_media(name, root)
            if path.resolve() != path or not path.is_relative_to(root.resolve()):
                wrong.append(f"leads to {path}")
        except MediaError as error:
            outcome = type(error).__name__
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            outcome = "exception"
            wrong.append(f"raised {error!r}")
        tally.add(outcome, wrong, repr(name)[:300])
    _check_bait(bait, tally)
    return tally


_Call = tuple[str, str, Path]


def _results(
    runner: ToolRunner, calls: Iterable[_Call]
) -> Iterator[tuple[_Call, ToolResult | BaseException]]:
    """Outcomes in order, some calls ahead of the reader."""
    ahead: collections.deque[tuple[_Call, Future[ToolResult]]] = collections.deque()
    with ThreadPoolExecutor(2) as threads:
        for call in calls:
            ahead.append((call, threads.submit(runner.call_sync, *call)))
            if len(ahead) >= 8:
                yield _finished(*ahead.popleft())
        while ahead:
            yield _finished(*ahead.popleft())


def _finished(call: _Call, future: Future[ToolResult]) -> tuple[_Call, ToolResult | BaseException]:
    try:
        return call, future.result(timeout=8 * (_SECONDS + _SLACK_S))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return call, error


def _wrong(
    runner: ToolRunner, name: str, result: ToolResult | BaseException, duration_s: float = 1e12
) -> list[str]:
    if isinstance(result, BaseException):
        return [f"raised {result!r}"]
    tool = runner.toolset.get(name)
    return list(problems(result, tool, _SECONDS + _SLACK_S, duration_s))


def _outcome(result: ToolResult | BaseException) -> str:
    if isinstance(result, BaseException):
        return "exception"
    if result.evidence is not None:
        intact = all(frame.intact for frame in result.evidence.frames)
        return "evidence" if intact else "evidence marked damaged"
    if result.boundary is None:
        return "refused"
    ended = " (worker ended)" if "worker ended" in result.detail else ""
    return f"failure: {result.boundary}{ended}"


def _check_bait(bait: Bait, tally: Tally) -> None:
    tally.violations += [f"the file {name!r} outside was opened" for name in bait.opened()]


_SCRIPTS = (
    "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile '{}'\n",
    "<?xml version='1.0'?><MPD><Period><AdaptationSet><Representation><BaseURL>{}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\na=control:{}\nm=video 5004 RTP/AVP 96\n",
)


def _script(kind: str, path: Path) -> bytes:
    return kind.format(path).encode()


def main() -> int:
    """Run everything once and print the counts; 1 when something must not have happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arguments", type=int, default=10_000)
    parser.add_argument("--media", type=int, default=1_000, help="spoilt files, two calls each")
    parser.add_argument("--names", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ[CANARY[0]] = CANARY[1]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="ffr-hostile-") as made:
        folder = Path(made)
        bait = bait_in(folder)
        parts: dict[str, Callable[[ToolRunner, Path], Tally]] = {
            "arguments": lambda r, f: arguments(r, given.arguments, given.seed, f, bait),
            "media": lambda r, f: media(r, given.media, given.seed, f, bait),
            "names": lambda _, f: names(given.names, given.seed, f, bait),
        }
        for part, run in parts.items():
            start = time.monotonic()
            (folder / part).mkdir()
            with ToolRunner(short_tools(), workers=2, environment=[CANARY[0]]) as runner:
                tally = run(runner, folder / part)
            bad += len(tally.violations)
            total = sum(tally.outcomes.values())
            print(f"{part}: {total} in {time.monotonic() - start:.0f} s")
            for outcome, count in tally.outcomes.most_common():
                print(f"  {count:6}  {outcome}")
            for violation in tally.violations[:20]:
                print(f"  VIOLATION {violation}")
            sys.stdout.flush()
        bait.close()
    print(f"{bad} violations" if bad else "no violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
