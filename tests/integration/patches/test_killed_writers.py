"""Writers killed at random moments leave a sound store, equal to that of undisturbed ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ffr.patches.compact import compact_store
from ffr.patches.gc import collect_garbage
from ffr.patches.store import PatchStore
from ffr.patches.verify import verify_store

PROGRAM = Path(__file__).with_name("killed_writers.py")


def write(root: Path, *, writers: int, kills: int) -> PatchStore:
    command = [sys.executable, str(PROGRAM), str(root), "120", str(writers), str(kills), "7"]
    subprocess.run(command, check=True, timeout=300)
    return PatchStore(root)


def test_twenty_kills_of_four_writers_lose_and_damage_nothing(tmp_path: Path) -> None:
    calm = verify_store(write(tmp_path / "calm", writers=1, kills=0))
    store = write(tmp_path / "killed", writers=4, kills=20)
    killed = verify_store(store)
    assert (calm.problems, killed.problems) == ([], [])
    assert calm.records == killed.records == 120
    assert killed.content_sha256 == calm.content_sha256
    assert killed.images == calm.images
    collect_garbage(store, grace_s=0)
    tidy = verify_store(store)
    assert (tidy.temporary, tidy.problems) == (0, [])
    assert tidy.content_sha256 == calm.content_sha256
    compact_store(store)
    assert verify_store(store).content_sha256 == calm.content_sha256
