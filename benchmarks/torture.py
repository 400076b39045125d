"""Does a reader show the frame that is on screen? Every file that is hard to read, asked at random.

Each file is written, then read in a process of its own that is killed at a deadline: a hang is
a result.  Prints a table; exits with 1 when the default reader is wrong anywhere, when a file that
cannot be shown is not refused with a ``MediaError``, or when anything hangs.  The other readers
are known to be wrong here and there: for them the table is the result, and only hangs and crashes
count.

    python benchmarks/torture.py [--backend pyav|ffmpeg|decord] [--only WORD ...] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("SVT_LOG", "1")  # its encoder is talkative

from torture_files import DECODABLE, UNDECODABLE, CodedVideo, make_file
from torture_files.judge import offset, question_times, verdict

_ROOT = Path(__file__).resolve().parent.parent
_NEVER_SAID = "died"


def cpu_seconds() -> float:
    """Processor time of this process and of those it waited for."""
    return sum(os.times()[:4])


def examine(name: str, folder: Path, backend: str, count: int) -> dict[str, Any]:
    """Write one file, ask a reader about it, and judge the answers; runs in the child."""
    sys.path.insert(0, str(_ROOT))
    from teacher_tools.media import BACKENDS, MediaError, open_reader

    assert backend in BACKENDS
    made = make_file(name, folder)
    path = made.path if isinstance(made, CodedVideo) else made
    start = cpu_seconds()
    report: dict[str, Any] = {}
    try:
        with open_reader(path, backend) as reader:
            if not isinstance(made, CodedVideo):
                reader.frames_at([0.0])
                return {"error": "none: a frame was shown"}
            inside, exact = question_times(made, count, name)
            single = [reader.frames_at([t])[0] for t in inside]
            together = reader.frames_at(exact)
    except MediaError as error:
        return {"error": type(error).__name__, "text": str(error)}
    wrong: list[str] = []
    for key, asked, answers in (("inside", inside, single), ("exact", exact, together)):
        said = [verdict(made, t, answer) for t, answer in zip(asked, answers, strict=True)]
        report[key] = said.count(None)
        wrong += [text for text in said if text is not None]
    offsets = [
        offset(made, t, answer)
        for t, answer in zip([*inside, *exact], [*single, *together], strict=True)
    ]
    return {
        **report,
        "asked": count,
        "wrong": wrong,
        "worst": max(offsets, key=abs),
        "cpu_s": round(cpu_seconds() - start, 2),
    }


def ask(name: str, folder: Path, backend: str, count: int, deadline: float) -> dict[str, Any]:
    """Run ``examine`` in a process with a deadline."""
    command = [
        sys.executable, __file__, "--child", name, "--folder", str(folder),
        "--backend", backend, "--times", str(count),
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, complaints = child.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return {"hung": deadline}
    try:
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        last = (complaints.strip().splitlines() or ["nothing"])[-1]
        return {_NEVER_SAID: f"exit code {child.returncode}, said {last}"}
    return report


def outcome(name: str, report: dict[str, Any]) -> str:
    """``right``, ``wrong``, ``refused``, ``shown``, ``hung`` or ``died``."""
    if "hung" in report:
        return "hung"
    if _NEVER_SAID in report:
        return "died"
    if name in UNDECODABLE:
        return "refused" if "error" in report and ":" not in report["error"] else "shown"
    if "error" in report:
        return "refused"
    return "wrong" if report["wrong"] else "right"


def row(name: str, report: dict[str, Any]) -> str:
    """One line of the table."""
    result = outcome(name, report)
    if "inside" in report:
        cells = (
            f"{report['inside']:>3}/{report['asked']:<3}{report['exact']:>4}/{report['asked']:<3}"
        )
        note = "" if result == "right" else f"worst {report['worst']:+d}; {report['wrong'][0]}"
        return f"{name:<38} {result:<8}{cells} {report['cpu_s']:6.2f} s  {note}"
    note = report.get("error") or report.get(_NEVER_SAID) or f"killed after {report['hung']:g} s"
    if result == "refused" and name in DECODABLE:
        note += f": {report['text']}"
    return f"{name:<38} {result:<8}{'':23}{note}"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backend", default="pyav", choices=("pyav", "ffmpeg", "decord"))
    parser.add_argument("--only", nargs="+", default=[], help="files whose name holds a word")
    parser.add_argument("--times", type=int, default=22, help="random times for each file, twice")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds for each file")
    parser.add_argument("--json", action="store_true", help="print reports instead of a table")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        report = examine(options.child, options.folder, options.backend, options.times)
        print(json.dumps(report))
        return 0
    names = [
        name
        for name in (*DECODABLE, *UNDECODABLE)
        if not options.only or any(word in name for word in options.only)
    ]
    if not names:
        parser.error(f"no file of the matrix is called like {options.only}")
    reports: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        folder = options.folder or Path(scratch)
        if not options.json:
            print(f"{'file':<38} {'result':<8}{'inside':>7}{'exact':>8}{'CPU':>10}", flush=True)
        for name in names:
            reports[name] = ask(name, folder, options.backend, options.times, options.deadline)
            if not options.json:
                print(row(name, reports[name]), flush=True)
    return _close(options.backend, reports, options.json)


def _close(backend: str, reports: dict[str, dict[str, Any]], as_json: bool) -> int:
    """Print the sum and decide the exit code."""
    results = {name: outcome(name, report) for name, report in reports.items()}
    good = Counter(results[name] for name in results if name in DECODABLE)
    bad = Counter(results[name] for name in results if name in UNDECODABLE)
    frames = sum(r.get("inside", 0) + r.get("exact", 0) for r in reports.values())
    asked = 2 * sum(r.get("asked", 0) for r in reports.values())
    failures = [n for n, r in results.items() if r in ("hung", "died", "shown")]
    if backend == "pyav":
        failures += [n for n, r in results.items() if r != "right" and n in DECODABLE]
    if as_json:
        print(json.dumps({"backend": backend, "files": reports, "failures": failures}, indent=1))
    else:
        print(
            f"\n{backend}: {good.total()} files with a truth: {dict(good)}, {frames} of {asked} "
            f"answers right; {bad.total()} that cannot be shown: {dict(bad)}"
        )
        if failures:
            print(f"NOT GOOD: {', '.join(sorted(set(failures)))}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
