"""What the built-in tools cost, in processor time, against the least that is possible.

For every size, keyframe distance and length of file, each call runs three ways, in turns:

- the tool, as a teacher's loop calls it: runner and worker process together;
- the floor: PyAV opens the file, seeks, decodes exactly the frames that are needed (told the
  frame numbers and keyframes beforehand), and converts the wanted ones to RGB;
- ``clip`` also as one ffmpeg process per frame.

    python benchmarks/tools.py [--cache runs/tools] [--repeats 3] [--lengths 30,180,3600]

The limits: floor x 1.15, a quarter of ffmpeg, 60 min x 1.2 of 3 min, 200 MB a worker. Exits with
1 when one is missed. ffmpeg is ``$FFR_FFMPEG``, the one on the path, or imageio-ffmpeg's.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import itertools
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
from long_videos import FPS, TICKS, long_video

from teacher_tools import ToolRunner, Toolset, builtin_toolset
from teacher_tools.media.picture import fit_pixels
from teacher_tools.tools.frames import CLIP_FRAME_PIXELS

_FLOOR_LIMIT, _FFMPEG_LIMIT, _LENGTH_LIMIT, _MEMORY_LIMIT_MB = 1.15, 0.25, 1.2, 200.0
_SHORT_S = 180
_CLIP_FRAMES, _OVERVIEW_FRAMES = 8, 16
_WINDOWS = ((3.3, 2.0), (8.1, 4.0), (12.9, 8.0))
"""Starts and lengths of clips in seconds, from a keyframe in the middle of the file."""
_ZOOMS = (1.1, 6.7, 13.9, 19.3)
_BOX = (0.3, 0.3, 0.7, 0.7)


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: as a tool, and as the frame numbers it shows."""

    tool: str
    arguments: dict[str, Any]
    frames: tuple[int, ...]


def _number(t_s: float) -> int:
    """The frame on screen at ``t_s``."""
    return int(t_s * FPS + 1e-4)


def calls(seconds: int) -> list[Call]:
    """The calls for a file of that length; clips and zooms decode the same in every length."""
    base = seconds // 60 * 30
    made = []
    for start, length in _WINDOWS:
        times = [base + start + length * i / (_CLIP_FRAMES - 1) for i in range(_CLIP_FRAMES)]
        window = {"start_s": base + start, "end_s": base + start + length}
        made.append(Call("clip", window, tuple(map(_number, times))))
    made += [Call("zoom", {"t_s": base + t, "box": _BOX}, (_number(base + t),)) for t in _ZOOMS]
    middles = [seconds * (i + 0.5) / _OVERVIEW_FRAMES for i in range(_OVERVIEW_FRAMES)]
    made.append(Call("timestamp", {}, tuple(map(_number, middles))))
    return made


def floor(path: Path, frames: Sequence[int], gop: int, size: tuple[int, int] | None) -> int:
    """Decode just these frames to RGB of ``size`` (native when None); returns how many came."""
    found = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for group, numbers in itertools.groupby(frames, lambda n: n // gop):
            wanted = {n * TICKS for n in numbers}
            container.seek(group * gop * TICKS, stream=stream)
            for frame in container.decode(stream):
                if frame.pts not in wanted:
                    continue
                wanted.discard(frame.pts)
                width, height = size or (frame.width, frame.height)
                frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
                found += 1
                if not wanted:
                    break
    return found


def ffmpeg_per_frame(binary: str, path: Path, frames: Sequence[int], size: tuple[int, int]) -> int:
    """The same frames from one process each; returns how many came."""
    found = 0
    for number in frames:
        command = [
            binary, "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1",
            "-ss", f"{(number - 0.5) / FPS:.3f}", "-i", str(path), "-frames:v", "1",
            "-vf", f"scale={size[0]}:{size[1]}", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1",
        ]  # fmt: skip
        pixels = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        found += len(pixels) == size[0] * size[1] * 3
    return found


def find_ffmpeg() -> str | None:
    """The ffmpeg program to compare with, if there is one."""
    named = os.environ.get("FFR_FFMPEG") or shutil.which("ffmpeg")
    if named:
        return named
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def workers() -> list[int]:
    """Process numbers of this process's children."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += [int(pid) for pid in file.read_text().split()]
    return found


def own_and_workers_s() -> float:
    """Processor seconds used so far here and in the living workers."""
    clocks = [time.clock_gettime(~pid << 3 | 2) for pid in workers()]  # clock_getcpuclockid(3)
    return time.process_time() + sum(clocks)


def ended_children_s() -> float:
    """Processor seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(clock: Callable[[], float], work: Callable[[], int], expected: int) -> float:
    """Processor seconds of ``work``, which must give ``expected`` frames."""
    start = clock()
    found = work()
    used = clock() - start
    if found != expected:
        raise RuntimeError(f"{found} frames came, {expected} were asked for")
    return used


def memory_mb() -> tuple[float, float]:
    """Largest (peak RSS, present PSS) of the workers, in MB."""
    peak = pss = 0.0
    for pid in workers():
        status = Path(f"/proc/{pid}/status").read_text()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) / 1000)
        pss = max(pss, int(rollup.split("Pss:")[1].split()[0]) / 1000)
    return peak, pss


def measure(
    path: Path, gop: int, seconds: int, repeats: int, ffmpeg: str | None
) -> dict[str, dict[str, float]]:
    """Processor milliseconds of a mean call of each tool on one file, and the worker's memory.

    Of the repeats of one call the cheapest counts: what is more was the machine.
    """
    size = fit_pixels(16 * _height(path) // 9, _height(path), CLIP_FRAME_PIXELS)
    cheapest: dict[tuple[str, int, str], float] = {}
    with ToolRunner(_patient_tools(), workers=1) as runner:

        def use_tool(call: Call) -> int:
            result = runner.call_sync(call.tool, json.dumps(call.arguments), path)
            if result.evidence is None:
                raise RuntimeError(f"{call}: {result.message} {result.detail}")
            shown = [round(frame.t_s * FPS) for frame in result.evidence.frames]
            if shown != list(call.frames):
                raise RuntimeError(f"{call} gave frames {shown}")
            return len(shown)

        def decode(call: Call) -> int:
            return floor(path, call.frames, gop, None if call.tool == "zoom" else size)

        todo = calls(seconds)
        use_tool(todo[0])  # starts the worker
        for turn, (number, call) in itertools.product(range(repeats), enumerate(todo)):
            ways: list[tuple[str, Callable[[], float], Callable[[], int]]] = [
                ("tool", own_and_workers_s, functools.partial(use_tool, call)),
                ("floor", time.process_time, functools.partial(decode, call)),
            ]
            ways = ways if turn % 2 else ways[::-1]
            if ffmpeg is not None and call.tool == "clip" and turn == 0:
                each = functools.partial(ffmpeg_per_frame, ffmpeg, path, call.frames, size)
                ways.append(("ffmpeg", ended_children_s, each))
            for way, clock, work in ways:
                used = timed(clock, work, len(call.frames))
                key = (call.tool, number, way)
                cheapest[key] = min(used, cheapest.get(key, used))
        peak, pss = memory_mb()
    table: dict[str, dict[str, float]] = {"worker": {"peak_mb": peak, "pss_mb": pss}}
    for tool, way in {(tool, way) for tool, _, way in cheapest}:
        used_s = [s for (t, _, w), s in cheapest.items() if (t, w) == (tool, way)]
        table.setdefault(tool, {})[way] = 1000 * statistics.mean(used_s)
    return table


def _patient_tools() -> Toolset:
    """The built-in tools with time to wait: processor time is measured, on machines in use."""
    tools = builtin_toolset()
    return Toolset(
        (
            dataclasses.replace(tool, budget=dataclasses.replace(tool.budget, seconds=600.0)),
            tools.origin(tool.name),
        )
        for tool in tools
    )


def _height(path: Path) -> int:
    return int(path.name.partition("p_")[0])


def main() -> int:
    """Make the files, measure, print the table; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("runs/tools"), help="keeps the videos")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--heights", default="720,1080")
    parser.add_argument("--gops", default="30,250")
    parser.add_argument("--lengths", default="30,180,3600", help="seconds")
    given = parser.parse_args()
    heights, gops, lengths = (
        [int(word) for word in text.split(",")]
        for text in (given.heights, given.gops, given.lengths)
    )
    ffmpeg = find_ffmpeg()
    print(f"ffmpeg to compare with: {Path(ffmpeg).name if ffmpeg else 'none found'}")
    print("processor ms a call        tool   floor   x floor   x ffmpeg   x 3 min   worker MB")
    missed = 0
    for height, gop in itertools.product(heights, gops):
        short: dict[str, float] = {}
        for seconds in lengths:
            path = long_video(given.cache, height, gop, seconds)
            table = measure(path, gop, seconds, given.repeats, ffmpeg)
            peak = table.pop("worker")["peak_mb"]
            for tool in ("clip", "zoom", "timestamp"):
                cost = table[tool]
                ratios = [(cost["tool"] / cost["floor"], _FLOOR_LIMIT)]
                ratios.append((cost["tool"] / cost.get("ffmpeg", math.inf), _FFMPEG_LIMIT))
                if seconds == _SHORT_S:
                    short[tool] = cost["tool"]
                is_long = seconds > _SHORT_S and tool in short
                ratios.append((cost["tool"] / short[tool] if is_long else 0.0, _LENGTH_LIMIT))
                ratios.append((peak, _MEMORY_LIMIT_MB))
                missed += sum(value > limit for value, limit in ratios)
                cells = "  ".join(_cell(value, limit) for value, limit in ratios)
                print(
                    f"{height:4}p gop {gop:3} {seconds:4} s {tool:9} {cost['tool']:6.0f}  "
                    f"{cost['floor']:6.0f}  {cells}",
                    flush=True,
                )
    print(f"{missed} limits missed" if missed else "all limits are kept")
    return 1 if missed else 0


def _cell(value: float, limit: float) -> str:
    if value == 0:
        return "       -"
    return f"{value:7.2f}{'!' if value > limit else ' '}"


if __name__ == "__main__":
    sys.exit(main())
