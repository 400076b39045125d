"""Nothing lost, nothing paid twice: the caching job killed with SIGKILL at random moments.

A counterfactual job with several writer processes runs against the demo teacher's server, which
counts requests. Its whole process group is killed again and again, at random moments from its
start to its end, and started anew by the same command until it is done. Then:

- the store is byte-identical to that of an uninterrupted run (left-over ``.tmp`` files aside);
- every diagnosis was begun once, plus once for every kill that found it under way;
- the server saw no more requests than the uninterrupted run, plus those of diagnoses that a kill
  found under way.

    python benchmarks/cache_kill.py [--kills 20] [--writers 4] [--questions 200]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ffr.cache_jobs.journal import read_journals
from ffr.config.schema import DemoWorldConfig
from ffr.demo.server import DemoTeacherServer
from ffr.demo.world import generate_demo_world
from ffr.run.jsonl import read_lines

_STARTING = 0.25
"""Share of the kills that fall into the start of a launch, before anything is asked."""
_PATIENCE_S = 600.0


@dataclass
class Outcome:
    """What came of one trial.

    Attributes:
        kills: times the job was killed.
        diagnoses: records in the finished store.
        under_way: diagnoses each kill found begun and not stored.
        requests: that the server counted for the killed job.
        reference_requests: for the uninterrupted one.
        allowed_requests: requests of diagnoses found under way, made again at most.
        left_over: temporary files that kills left behind.
        problems: what is not as promised; empty when all is well.
    """

    kills: int = 0
    diagnoses: int = 0
    under_way: list[int] = field(default_factory=list)
    requests: int = 0
    reference_requests: int = 0
    allowed_requests: int = 0
    left_over: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def paid_again(self) -> int:
        """Requests beyond those of the uninterrupted run."""
        return self.requests - self.reference_requests


def trial(
    root: Path,
    *,
    kills: int,
    writers: int,
    questions: int,
    latency_s: float,
    seed: int,
) -> Outcome:
    """Run the job uninterrupted and killed, and compare.

    Args:
        root: an empty folder.
        kills: how often the job is killed.
        writers: writer processes.
        questions: of the demo world's training split; about 0.9 diagnoses each.
        latency_s: of the teacher's server.
        seed: of the moments.
    """
    began = time.monotonic()
    draw = random.Random(seed)
    world = generate_demo_world(
        DemoWorldConfig(sft=1, train=questions, validation=1, test=1, path=str(root / "world"))
    )
    with DemoTeacherServer(latency_s=latency_s) as server:
        reference = _Job(root / "reference", world.root, server, writers)
        start = time.monotonic()
        reference.finish()
        whole_s = time.monotonic() - start
        outcome = Outcome(reference_requests=requests_of(server))
        killed = _Job(root / "killed", world.root, server, writers)
        found: Counter[str] = Counter()
        calls = _calls(reference)
        for number in range(kills):
            killed.start()
            if not _wait_for_moment(killed, server, draw, outcome, kills - number, whole_s):
                outcome.problems.append(f"the job was done before kill {number + 1}")
                break
            killed.kill()
            outcome.kills += 1
            lost = killed.begun() - killed.stored()
            found.update(lost)
            outcome.under_way.append(len(lost))
            outcome.allowed_requests += sum(calls[key] for key in lost)
        killed.finish()
        outcome.requests = requests_of(server) - outcome.reference_requests
    _compare(reference, killed, found, outcome)
    outcome.seconds = time.monotonic() - began
    return outcome


class _Job:
    """One ``ffr-cache`` command and what it left on disk."""

    def __init__(self, folder: Path, world: Path, server: DemoTeacherServer, writers: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._config = folder / "job.yaml"
        settings: dict[str, Any] = {
            "output": str(folder / "job"),
            "data": {"train": str(world / "train.jsonl"), "media_root": str(world)},
            "failures": {"counterfactual": True},
            "teacher": {"kind": "demo", "base_url": server.base_url, "concurrency": 2 * writers,
                        "first_view_frames": 4},
            "processes": writers,
        }  # fmt: skip
        self._config.write_text(json.dumps(settings))  # JSON is YAML
        self._seen: set[Path] = set()
        self._process: subprocess.Popen[str] | None = None

    @property
    def store(self) -> Path:
        return self.folder / "job" / "patches"

    @property
    def journal(self) -> Path:
        return self.folder / "job" / "journal"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from ffr.cli.cache_job import main; main()",
             str(self._config), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def kill(self) -> None:
        """The command and all its writers, at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def finish(self) -> dict[str, Any]:
        """Let the command run to its end; returns its summary."""
        self.start()
        assert self._process is not None
        out, err = self._process.communicate(timeout=_PATIENCE_S)
        if self._process.returncode:
            raise RuntimeError(f"the job ended with {self._process.returncode}: {err or out}")
        summary: dict[str, Any] = json.loads(out)
        return summary

    def begun(self) -> set[str]:
        """Keys begun by writers that were not looked at before."""
        keys = set()
        if self.journal.is_dir():
            for path in set(self.journal.glob("*.jsonl")) - self._seen:
                self._seen.add(path)
                lines, _ = read_lines(path)
                keys |= {line["key"] for line in lines if line["event"] == "start"}
        return keys

    def stored(self) -> set[str]:
        return {path.name.partition(".")[0] for path in (self.store / "records").glob("*/*/*.json")}

    def contents(self) -> tuple[dict[str, bytes], int]:
        """Every file of the store by its relative path, and the number of ``.tmp`` left-overs."""
        files = [path for path in self.store.rglob("*") if path.is_file()]
        whole = {
            str(path.relative_to(self.store)): path.read_bytes()
            for path in files
            if path.suffix != ".tmp"
        }
        return whole, len(files) - len(whole)


def _wait_for_moment(
    job: _Job,
    server: DemoTeacherServer,
    draw: random.Random,
    outcome: Outcome,
    kills_left: int,
    whole_s: float,
) -> bool:
    """Wait for the moment of a kill; False when the job ended by itself before.

    Some moments are a time after the start, most a number of further requests and a fraction of
    a request's length; so that the work lasts for all kills, each gets its share of it.
    """
    before = requests_of(server)
    left = 2 * outcome.reference_requests - before
    further = draw.randint(1, max(1, round(1.2 * left / (kills_left + 1))))
    early = draw.random() < _STARTING
    ends_at = time.monotonic() + (draw.uniform(0, 0.2 * whole_s) if early else _PATIENCE_S)
    while time.monotonic() < ends_at:
        if job.ended():
            return False
        if not early and requests_of(server) - before >= further:
            break
        time.sleep(0.02)
    time.sleep(draw.uniform(0, 0.15))
    return not job.ended()


def _compare(reference: _Job, killed: _Job, found: Counter[str], outcome: Outcome) -> None:
    (wanted, _), (got, outcome.left_over) = reference.contents(), killed.contents()
    outcome.diagnoses = len(killed.stored())
    if wanted.keys() != got.keys():
        differing = sorted(wanted.keys() ^ got.keys())
        outcome.problems.append(
            f"{len(differing)} files are in one store only, e.g. {differing[0]}"
        )
    changed = [name for name in wanted.keys() & got.keys() if wanted[name] != got[name]]
    if changed:
        outcome.problems.append(f"{len(changed)} files differ, e.g. {changed[0]}")
    starts = Counter(
        line["key"] for line in read_journals(killed.journal) if line["event"] == "start"
    )
    again = [key for key in killed.stored() if starts[key] != 1 + found[key]]
    if again:
        outcome.problems.append(
            f"{len(again)} diagnoses were begun more or less often than kills explain"
        )
    if not 0 <= outcome.paid_again <= outcome.allowed_requests:
        outcome.problems.append(
            f"{outcome.paid_again} requests were paid again; diagnoses found under way explain "
            f"at most {outcome.allowed_requests}"
        )


def _calls(job: _Job) -> Counter[str]:
    ends = (line for line in read_journals(job.journal) if line["event"] == "end")
    return Counter({line["key"]: int(line.get("calls", 0)) for line in ends})


def requests_of(server: DemoTeacherServer) -> int:
    """Chat completions the server was asked for so far."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/health")
        return int(json.loads(connection.getresponse().read())["requests"])
    finally:
        connection.close()


def main() -> None:
    """Run a trial and print what came of it; exit code 1 when something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--latency", type=float, default=0.05, help="of one request, seconds")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="ffr-cache-kill-") as folder:
        outcome = trial(
            Path(folder), kills=given.kills, writers=given.writers, questions=given.questions,
            latency_s=given.latency, seed=given.seed,
        )  # fmt: skip
    print(f"kills                        {outcome.kills}, {given.writers} writers")
    print(f"diagnoses in the store       {outcome.diagnoses}")
    print(f"found under way by kills     {outcome.under_way}")
    print(f"requests, uninterrupted      {outcome.reference_requests}")
    print(f"requests, killed             {outcome.requests}")
    print(f"paid again                   {outcome.paid_again} (at most {outcome.allowed_requests})")
    print(f"temporary files left over    {outcome.left_over}")
    print(f"seconds                      {outcome.seconds:.0f}")
    for problem in outcome.problems:
        print(f"PROBLEM: {problem}")
    print("store identical, nothing paid twice" if not outcome.problems else "FAILED")
    sys.exit(1 if outcome.problems else 0)


if __name__ == "__main__":
    main()
