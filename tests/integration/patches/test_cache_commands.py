"""``ffr cache`` as people and scripts use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ffr.patches.store import PatchStore


def test_a_store_s_life(cache: Any, world: Any, tmp_path: Path) -> None:
    root = world.store.root
    stats = cache("stats", root, "--pixels", "--json").json
    assert (stats["patches"], stats["size"]["frames"]["max"]) == (1, 3)
    assert stats["size"]["pixels"]["max"] == 3 * 64 * 64
    digest = cache("verify", root, "--json").json["content_sha256"]
    assert cache("compact", root, "--json").json["compacted"] == 1
    assert cache("export", root, tmp_path / "out", "--json").json["patches"] == 1
    assert cache("import", tmp_path / "in", tmp_path / "out", "--json").json["patches"] == 1
    verified = cache("verify", tmp_path / "in", "--json")
    assert (verified.code, verified.json["content_sha256"]) == (0, digest)
    world.store.media.put(b"\xff\xd8\xff nobody names me")
    assert cache("gc", root, "--grace-hours", "0", "--dry-run", "--json").json["files"] == {
        "orphan_image": 1
    }
    assert cache("gc", root, "--grace-hours", "0", "--json").json["files"] == {"orphan_image": 1}
    assert cache("verify", root, "--json").json["content_sha256"] == digest


@pytest.mark.parametrize("command", ["stats", "verify", "compact", "gc"])
def test_people_get_text(cache: Any, world: Any, command: str) -> None:
    result = cache(command, world.store.root)
    assert (result.code, result.err) == (0, "")
    assert "{" not in result.out
    assert result.out.endswith("\n")


def test_verify_fails_on_damage_and_mends_it(cache: Any, world: Any) -> None:
    root = world.store.root
    image = next(p for p in (root / "media").rglob("*.jpg"))
    image.write_bytes(image.read_bytes()[:-1])
    result = cache("verify", root)
    assert result.code == 1
    assert str(image) in result.out
    assert "verify --repair" in result.out
    assert cache("verify", root, "--repair", "--json").code == 0
    assert cache("verify", root).code == 0
    assert PatchStore(root).get(world.key) is None
    assert cache("stats", root, "--json").json["quarantined"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("stats", "nowhere"),
        ("export", "nowhere", "out"),
        ("import", "store", "nowhere.tar"),
        ("gc", "nowhere"),
        ("shrink", "nowhere", "out", "--config", "c.yaml", "--questions", "q.jsonl"),
    ],
)
def test_mistakes_are_one_line(
    cache: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cache(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
