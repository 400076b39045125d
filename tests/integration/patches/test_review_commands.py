"""``ffr cache review`` as an auditor uses it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ffr.patches.store import PatchStore


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_patch_is_looked_over_rejected_and_taken_back(
    cache: Any, world: Any, tmp_path: Path
) -> None:
    root, sheet = world.store.root, tmp_path / "sheet.csv"
    out = cache("review", "export", root, sheet, "--questions", world.questions)
    assert (out.code, out.err) == (0, "")
    assert f"ffr cache review import {root} {sheet}" in out.out
    (row,) = rows(sheet)
    assert (row["question"], row["options"], row["answer"]) == ("What appears?", "red; blue", "")
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        writer.writeheader()
        writer.writerow(row | {"verdict": "reject", "why": "dark"})

    refused = cache("review", "import", root, sheet)
    assert refused.code == 2
    assert "nobody is named" in refused.err
    dry = cache("review", "import", root, sheet, "--by", "Ada", "--dry-run", "--json").json
    assert (dry["marked"], dry["dry_run"]) == ({"reject": 1}, True)
    assert not PatchStore(root).get(world.key).rejected
    done = cache("review", "import", root, sheet, "--by", "Ada")
    assert (done.code, "1 rejected" in done.out) == (0, True)
    assert PatchStore(root).get(world.key).rejected
    assert "reviews: 1 rejected" in cache("stats", root).out
    assert cache("verify", root, "--json").json["reviews"] == 1
    assert "1 rejected ones stay loose" in cache("compact", root).out

    def count(only: str) -> int:
        words = ("--only", only, "--questions", world.questions, "--json")
        return int(cache("review", "export", root, tmp_path / "x.jsonl", *words).json["patches"])

    assert [count(only) for only in ("all", "rejected", "accepted", "unreviewed", "leaks")] == [
        1, 1, 0, 0, 0,
    ]  # fmt: skip
    cache("review", "export", root, tmp_path / "x.jsonl", "--with-answers",
          "--questions", world.questions)  # fmt: skip
    (line,) = [json.loads(text) for text in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert (line["verdict"], line["by"], line["answer"]) == ("reject", "Ada", "blue")
    back = tmp_path / "back.jsonl"
    back.write_text(json.dumps(line | {"verdict": "clear", "why": "the screen was dark"}) + "\n")
    assert cache("review", "import", root, back).code == 0
    assert PatchStore(root).get(world.key).patch is not None


def test_a_sheet_about_another_patch_is_told(cache: Any, world: Any, tmp_path: Path) -> None:
    sheet = tmp_path / "s.jsonl"
    line = {"key": world.key, "patch_id": "0" * 64, "verdict": "reject", "by": "Ada"}
    sheet.write_text(json.dumps(line) + "\n")
    result = cache("review", "import", world.store.root, sheet)
    assert result.code == 1
    assert f"another patch, or none, for request {world.key}" in result.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("export", "STORE", "x.csv", "--only", "bad"), "--only=bad is not allowed"),
        (("export", "STORE", "x.csv", "--only", "leaks"), "needs the questions"),
        (("export", "nowhere", "x.csv"), "holds no patch store"),
        (("import", "STORE", "nowhere.csv"), "cannot read"),
    ],
)
def test_mistakes_are_one_line(
    cache: Any, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...], problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cache("review", *(world.store.root if w == "STORE" else w for w in words))
    assert result.code == 2
    assert problem in result.err
    assert len(result.err.splitlines()) == 1


def test_a_draw_is_the_same_every_time(cache: Any, world: Any, tmp_path: Path) -> None:
    record = world.store.stored(world.key)
    for number in range(8):
        world.store.put(f"{number:064x}", record)
    drawn = []
    for name in ("a.csv", "b.csv"):
        words = ("--sample", 3, "--seed", 5)
        cache("review", "export", world.store.root, tmp_path / name, *words)
        drawn.append([row["key"] for row in rows(tmp_path / name)])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 3
