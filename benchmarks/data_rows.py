"""A million synthetic rows through the converters: rows per second and peak memory.

    python benchmarks/data_rows.py [--rows 1000000] [--formats video-r1,video-r2,fields,parquet]

Each format is converted in a process of its own; its peak resident memory is taken at a tenth of
the rows and at the end, so that "flat" can be seen.  The rows are then checked (without videos).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffr.data.bad_rows import RowPolicy
from ffr.data.check import check_questions
from ffr.data.convert import convert_rows
from ffr.data.formats.field_map import FieldMap
from ffr.data.formats.made import Format
from ffr.data.formats.video_r1 import VideoR1
from ffr.data.formats.video_r2 import VideoR2
from ffr.data.sources import Source

_VIDEOS = 20_000
_TALK = "The ball rolls behind the box, so it is out of view until the box is lifted. " * 4


def video_r1(number: int) -> dict[str, Any]:
    """A record of Video-R1-COT, about as long as the published ones."""
    return {
        "problem_id": number, "data_type": "video", "problem_type": "multiple choice",
        "problem": f"After the box is lifted, where does ball number {number} go?",
        "options": ["A. to the left", "B. to the right", "C. nowhere", "D. out of the picture"],
        "solution": f"<answer>{'ABCD'[number % 4]}</answer>",
        "path": f"./LLaVA-Video-178K/part/{number % _VIDEOS}.mp4",
        "process": f"<think>{_TALK}</think>",
    }  # fmt: skip


def video_r2(number: int) -> dict[str, Any]:
    """A GRPO record of Video-R2."""
    question = f"<video>\nWhere does ball number {number} go?\nOptions:\nA. left\nB. right\n"
    return {
        "video": f"part/{number % _VIDEOS}.mp4",
        "conversations": [
            {"from": "human", "value": question + "Put it in <think> and <answer> tags."},
            {"from": "assistant", "value": f"<think>{_TALK}</think>\n<answer>B</answer>"},
        ],
        "temporal_grounding": {"00:12": "The box is lifted.", "00:30-00:35": "The ball rolls."},
    }


def fields(number: int) -> dict[str, Any]:
    """A row of another project."""
    return {
        "key": number, "clip": {"path": f"{number % _VIDEOS}.mp4"}, "q": f"Where is {number}?",
        "choices": ["left", "right"], "gold": number % 2, "from": 1.5, "to": 3.0, "why": _TALK,
    }  # fmt: skip


_MAP = FieldMap(
    {"id": "key", "video": "clip.path", "question": "q", "options": "choices", "answer": "gold",
     "span_start": "from", "span_end": "to", "thinking": "why"},
    "index0",
)  # fmt: skip
FORMATS: dict[str, tuple[Any, Format, str]] = {
    "video-r1": (video_r1, VideoR1(), "rows.json"),
    "video-r2": (video_r2, VideoR2(), "rows.json"),
    "fields": (fields, _MAP, "rows.jsonl"),
    "parquet": (fields, _MAP, "rows.parquet"),
}


def write_source(path: Path, make: Any, rows: int) -> None:
    """The source file, itself written as a stream."""
    if path.suffix == ".parquet":
        _write_parquet(path, make, rows)
        return
    is_list = path.suffix == ".json"
    with path.open("w") as file:
        for number in range(rows):
            before = ("[\n" if number == 0 else ",\n") if is_list else ""
            file.write(before + json.dumps(make(number)) + ("" if is_list else "\n"))
        file.write("\n]" if is_list else "")


def _write_parquet(path: Path, make: Any, rows: int) -> None:
    import pyarrow as arrow  # type: ignore[import-untyped]
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    def batches() -> Iterator[Any]:
        for first in range(0, rows, 10_000):
            last = min(rows, first + 10_000)
            yield arrow.Table.from_pylist([make(number) for number in range(first, last)])

    writer = None
    for table in batches():
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def peak_mib() -> float:
    """Peak resident memory of this process; getrusage would count the parent's before exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(name: str, source: Path, rows: int) -> dict[str, float]:
    """Convert and check; runs in a process of its own."""
    early = 0.0

    def watch(done: int) -> None:
        nonlocal early
        if not early and done >= rows // 10:
            early = peak_mib()

    target = source.with_name("out.jsonl")
    start_mib, begun, begun_cpu = peak_mib(), time.perf_counter(), time.process_time()
    done = convert_rows(
        Source(str(source)), target, FORMATS[name][1], policy=RowPolicy("fail"), progress=watch
    )
    seconds, cpu, end = time.perf_counter() - begun, time.process_time() - begun_cpu, peak_mib()
    if done.written != rows:
        raise SystemExit(f"{name}: {done.written} of {rows} rows were written")
    begun = time.perf_counter()
    report = check_questions(target, None)
    checked = time.perf_counter() - begun
    if report.good != rows:
        raise SystemExit(f"{name}: {report.good} of {rows} rows are good")
    return {
        "rows_per_s": rows / seconds, "rows_per_cpu_s": rows / cpu, "start_mib": start_mib,
        "tenth_mib": early, "end_mib": end, "check_rows_per_s": rows / checked,
        "check_mib": peak_mib(),
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    parser.add_argument("--one", nargs=2, metavar=("FORMAT", "FILE"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.one:
        print(json.dumps(measure(words.one[0], Path(words.one[1]), words.rows)))
        return
    print(f"{words.rows} rows of each format; peak resident memory in MiB")
    print("format    file MiB  rows/s  rows/CPU s  at start  at 1/10  at end  "
          "check rows/s  check peak")  # fmt: skip
    for name in words.formats.split(","):
        with tempfile.TemporaryDirectory(dir=words.folder) as folder:
            source = Path(folder) / FORMATS[name][2]
            write_source(source, FORMATS[name][0], words.rows)
            command = [sys.executable, __file__, "--rows", str(words.rows),
                       "--one", name, str(source)]  # fmt: skip
            found = json.loads(
                subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            )
            print(
                f"{name:<9} {source.stat().st_size / 2**20:8.0f} {found['rows_per_s']:8.0f}"
                f" {found['rows_per_cpu_s']:10.0f} {found['start_mib']:9.0f}"
                f" {found['tenth_mib']:8.0f} {found['end_mib']:7.0f}"
                f" {found['check_rows_per_s']:13.0f} {found['check_mib']:11.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
