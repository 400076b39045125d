"""Is the patch store as fast with 100,000 patches as with 1,000, and does it survive kills?

Two stores of these sizes are filled by several processes.  Then the same processes take turns
between them, a few puts and gets here, a few there, so that whatever else the machine does hits
both alike; every operation is timed by itself (wall and CPU)::

    ratio = median(large) / median(small)        wanted: at most 1.5, for puts and for gets

Then writers are killed (SIGKILL) at random moments, and the store must verify clean.

    python benchmarks/store.py [--large 100000] [--writers 4] [--kills 20]
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ffr.patches.compact import compact_store
from ffr.patches.patch import EvidencePatch, PatchFrame
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from ffr.patches.verify import verify_store

_TURN = 10
"""Operations of one kind before it is the other store's turn."""
Times = dict[str, list[tuple[float, float]]]
"""Operation to (wall, CPU) seconds of each."""


def key(number: int) -> str:
    """Request key of a patch."""
    return hashlib.sha256(b"key %d" % number).hexdigest()


def put(store: PatchStore, number: int, image_bytes: int) -> None:
    """Store one image and the patch that names it."""
    image = b"\xff\xd8\xff" + random.Random(number).randbytes(image_bytes)
    frame = PatchFrame(t_s=1.0, label="frame", image_sha256=store.media.put(image))
    patch = EvidencePatch(
        error_types=("temporal",), guidance=f"Compare before and after, {number}.", frames=(frame,)
    )
    store.put(key(number), StoredDiagnosis(patch=patch, question_id=str(number)))


def get(store: PatchStore, number: int) -> None:
    """Read a patch and its image."""
    if store.get(key(number)) is None:
        sys.exit(f"patch {number} is lost")


def in_parallel(writers: int, work: Callable[..., Any], *arguments: object) -> list[Any]:
    """``work(writer, *arguments)`` in as many processes; their results."""
    with multiprocessing.get_context("fork").Pool(writers) as pool:
        return pool.starmap(work, [(writer, *arguments) for writer in range(writers)])


def fill(writer: int, writers: int, root: Path, count: int, image_bytes: int, sync: bool) -> None:
    """Put this writer's share of ``count`` patches."""
    if not sync:  # in this process only, and only to get to the interesting size sooner
        os.fsync = lambda _descriptor: None  # type: ignore[assignment]
    store = PatchStore(root)
    for number in range(writer, count, writers):
        put(store, number, image_bytes)


def take_turns(
    writer: int, roots: dict[str, Path], sizes: dict[str, int], operations: int, image_bytes: int
) -> Times:
    """Time puts and gets on both stores."""
    dice = random.Random(writer)
    stores = {name: PatchStore(root) for name, root in roots.items()}
    times: Times = {f"{kind} {name}": [] for kind in ("put", "get") for name in roots}
    new = 10**7 * (writer + 1)
    for _ in range(operations // _TURN):
        for name, store in stores.items():
            for _ in range(_TURN):
                new += 1
                times[f"put {name}"].append(timed(put, store, new, image_bytes))
            for _ in range(_TURN):
                times[f"get {name}"].append(timed(get, store, dice.randrange(sizes[name])))
    return times


def timed(work: Callable[..., None], *arguments: object) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - wall, time.process_time() - cpu


def endless(root: Path, seed: int, image_bytes: int) -> None:
    """Put patches until killed; writers often meet at the same keys."""
    dice, store = random.Random(seed), PatchStore(root)
    while True:
        put(store, dice.randrange(2000), image_bytes)


def kill_writers(root: Path, writers: int, kills: int, image_bytes: int) -> None:
    """Keep writers at work and kill one at a time, at random moments."""
    dice = random.Random(0)
    context = multiprocessing.get_context("fork")

    def start() -> multiprocessing.process.BaseProcess:
        process = context.Process(target=endless, args=(root, dice.randrange(10**9), image_bytes))
        process.start()
        return process

    alive = [start() for _ in range(writers)]
    for number in range(kills + writers):
        time.sleep(dice.uniform(0.02, 0.3))
        victim = alive.pop(dice.randrange(len(alive)))
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        if number < kills:
            alive.append(start())


def report(times: list[Times], small: str, large: str) -> bool:
    """Print medians and ratios; whether all wall ratios are at most 1.5."""
    flat = True
    print(f"{'':12}{small:>18}{large:>18}{'ratio':>8}")
    for kind in ("put", "get"):
        for column, clock in enumerate(("wall", "CPU")):
            medians = [
                statistics.median(pair[column] for part in times for pair in part[f"{kind} {name}"])
                for name in (small, large)
            ]
            ratio = medians[1] / medians[0]
            flat &= ratio <= 1.5
            cells = "".join(f"{1000 * m:>15.3f} ms" for m in medians)
            print(f"{kind + ' ' + clock:12}{cells}{ratio:>8.2f}")
    return flat


def read_compacted(root: Path, size: int, operations: int) -> None:
    """Compact a store and time random reads from its shards."""
    started = time.perf_counter()
    compacted = compact_store(PatchStore(root))
    print(f"compacted {compacted.compacted} patches in {time.perf_counter() - started:.0f} s")
    dice, store = random.Random(1), PatchStore(root)
    reads = [timed(get, store, dice.randrange(size)) for _ in range(operations)]
    wall, cpu = (1000 * statistics.median(r[column] for r in reads) for column in (0, 1))
    print(f"get from {len(compacted.shards)} shards: {wall:.3f} ms wall, {cpu:.3f} ms CPU")


def main() -> None:
    """Fill, measure, kill, verify; exit code 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder for the stores; default: a temporary one")
    parser.add_argument("--small", type=int, default=1_000, help="patches in the small store")
    parser.add_argument("--large", type=int, default=100_000, help="patches in the large store")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--operations", type=int, default=200, help="of each kind and writer")
    parser.add_argument("--image-kb", type=float, default=8.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--compact", action="store_true", help="also compact the large store")
    parser.add_argument("--sync-fill", action="store_true", help="also sync while filling")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="store_benchmark_", dir=given.root))
    image_bytes = int(given.image_kb * 1000)
    sizes = {f"{n:,} patches": n for n in (given.small, given.large)}
    roots = {name: folder / str(n) for name, n in sizes.items()}
    small, large = sizes
    try:
        for name, count in sizes.items():
            started = time.perf_counter()
            in_parallel(given.writers, fill, given.writers, roots[name], count, image_bytes,
                        given.sync_fill)  # fmt: skip
            print(f"filled {name} in {time.perf_counter() - started:.0f} s", flush=True)
        os.sync()
        flat = report(
            in_parallel(given.writers, take_turns, roots, sizes, given.operations, image_bytes),
            small, large,
        )  # fmt: skip
        if given.compact:
            read_compacted(roots[large], given.large, given.operations)
        kill_writers(folder / "killed", given.writers, given.kills, image_bytes)
        verified = verify_store(PatchStore(folder / "killed"))
        print(
            f"{given.kills + given.writers} writers killed: {verified.records} records, "
            f"{verified.temporary} temporary files, {len(verified.problems)} problems"
        )
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if flat and not verified.problems else 1)


if __name__ == "__main__":
    main()
