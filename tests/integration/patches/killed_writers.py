"""Writes patches with several processes and kills them at random moments; run as a program.

``killed_writers.py STORE PATCHES WRITERS KILLS SEED``: every writer walks over all patches in its
own order.  After the kills one last set of writers runs to the end.
"""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import time

from PIL import Image

from ffr.patches.patch import EvidencePatch, NoPatch, PatchFrame
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore


def write(number: int, store: PatchStore) -> None:
    """One diagnosis, the same whoever makes it; every tenth is a failure."""
    key = f"{number:04x}" * 16
    if store.get(key) is not None:
        return
    if number % 10 == 9:
        failure = NoPatch(reason="leak", detail=str(number))
        store.put(key, StoredDiagnosis(failure=failure, attempts=1))
        return
    frames = []
    for shade in (number, number // 2):
        out = io.BytesIO()
        picture = Image.new("L", (64, 64), shade % 256)
        picture.putpixel((0, 0), shade // 256)
        picture.save(out, "PNG")
        frames.append(PatchFrame(t_s=1.0, image_sha256=store.media.put(out.getvalue())))
    patch = EvidencePatch(
        error_types=("spatial",), guidance=f"Look at {number}.", frames=tuple(frames)
    )
    store.put(key, StoredDiagnosis(patch=patch))


def writer(root: str, patches: int, seed: int) -> None:
    """Write all patches, in an order of one's own."""
    order = list(range(patches))
    random.Random(seed).shuffle(order)
    store = PatchStore(root)
    for number in order:
        write(number, store)


def start(root: str, patches: int, seed: int) -> int:
    """A writer in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            writer(root, patches, seed)
            code = 0
        finally:
            os._exit(code)
    return child


def main() -> None:
    """Kill writers, then let the last ones finish."""
    root, patches, writers, kills, seed = sys.argv[1], *map(int, sys.argv[2:6])
    dice = random.Random(seed)
    alive = [start(root, patches, dice.randrange(10**6)) for _ in range(writers)]
    for _ in range(kills):
        time.sleep(dice.uniform(0.0, 0.05))
        victim = alive.pop(dice.randrange(len(alive)))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        alive.append(start(root, patches, dice.randrange(10**6)))
    if any(os.waitpid(child, 0)[1] for child in alive):
        sys.exit("a writer failed")


if __name__ == "__main__":
    main()
