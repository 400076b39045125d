"""Copies of evaluation videos are found whatever was done to them; other videos are not."""

import json
from pathlib import Path

import pytest

from ffr.cli.data import app
from ffr.cli.shared import run_app
from ffr.data.load import load_questions


@pytest.fixture(scope="module")
def sets(tmp_path_factory, encode) -> Path:
    root = tmp_path_factory.mktemp("sets")
    for seed in range(3):
        encode(root / "eval" / f"e{seed}.mp4", seed)
    encode(root / "train" / "smaller.mp4", 0, size=(96, 72), quality=36)
    encode(root / "train" / "slower.mkv", 1, fps=5)
    encode(root / "train" / "other_codec.avi", 2, codec="mpeg4", size=(320, 240))
    for seed in range(3, 6):
        encode(root / "train" / f"own{seed}.mp4", seed)
    for part in ("eval", "train"):
        videos = sorted(p.name for p in (root / part).iterdir())
        rows = [{"id": v, "video": v, "question": "q?", "answer_type": "text", "answer": "x"}
                for v in videos]  # fmt: skip
        (root / part / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return root


def run(capsys, *words: object) -> tuple[int, str, str]:
    import sys

    sys.argv = ["ffr-data", *map(str, words)]
    with pytest.raises(SystemExit) as ended:
        run_app(app, "ffr data")
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_copies_are_named_and_can_be_left_out(sets, tmp_path, capsys):
    clean = tmp_path / "clean.jsonl"
    files = (sets / "train" / "rows.jsonl", sets / "eval" / "rows.jsonl")
    code, out, err = run(
        capsys, "contamination", *files, "--frames", 8, "--workers", 1, "--clean", clean, "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    pairs = {(m["training"], m["evaluation"]) for m in found["matches"]}
    assert pairs == {
        ("smaller.mp4", f"{files[1]}: e0.mp4"), ("slower.mkv", f"{files[1]}: e1.mp4"),
        ("other_codec.avi", f"{files[1]}: e2.mp4"),
    }  # fmt: skip
    assert all(m["share"] >= 0.75 for m in found["matches"])
    kept = {q.video for q in load_questions(clean, sets / "train").questions}
    assert kept == {"own3.mp4", "own4.mp4", "own5.mp4"}
    code, _, err = run(capsys, "contamination", *files, "--frames", 8, "--workers", 1)
    assert code == 2
    assert "3 training videos show what an evaluation video shows" in err


def test_a_split_by_content_keeps_copied_files_together(sets, tmp_path, capsys):
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.mp4").write_bytes((sets / "eval" / "e0.mp4").read_bytes())
    for seed in range(3):
        other = sets / "train" / f"own{seed + 3}.mp4"
        (tmp_path / f"x{seed}.mp4").write_bytes(other.read_bytes())
    rows = [{"id": p.name, "video": p.name, "question": "q", "answer_type": "text", "answer": "x"}
            for p in sorted(tmp_path.iterdir())]  # fmt: skip
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in rows))
    for seed in range(20):  # one of them fills both parts
        code, out, err = run(capsys, "split", source, tmp_path / "parts", "--parts", "p=0.5,q=0.5",
                             "--by-content", "--seed", seed, "--workers", 1, "--json")  # fmt: skip
        if code == 0:
            break
    assert code == 0, err
    assert sum(json.loads(out)["groups"].values()) == 4
    loaded = [load_questions(tmp_path / "parts" / f"{p}.jsonl", tmp_path) for p in "pq"]
    parts = [{q.video for q in part.questions} for part in loaded]
    copies = {"a.mp4", "b.mp4", "c.mp4", "d.mp4"}
    assert copies <= parts[0] or copies <= parts[1]


def test_a_manifest_with_media_notices_another_video(sets, tmp_path, capsys):
    video = tmp_path / "a.mp4"
    video.write_bytes((sets / "eval" / "e0.mp4").read_bytes())
    source = tmp_path / "rows.jsonl"
    row = {"id": "a", "video": "a.mp4", "question": "q", "answer_type": "text", "answer": "x"}
    source.write_text(json.dumps(row) + "\n")
    assert run(capsys, "manifest", source, "--hash-media")[0] == 0
    assert run(capsys, "manifest", source, "--hash-media", "--verify")[0] == 0
    video.write_bytes((sets / "eval" / "e1.mp4").read_bytes())
    code, _, err = run(capsys, "manifest", source, "--hash-media", "--verify")
    assert (code, "the videos are not those of the manifest" in err) == (2, True)
    source.write_text(json.dumps({**row, "answer": "y"}) + "\n")
    code, _, err = run(capsys, "manifest", source, "--verify")
    assert (code, "was changed after" in err) == (2, True)
