import json
from pathlib import Path

import av
import numpy as np
import pytest

from ffr.data.load import BadRow, dataset_sha256, load_questions
from ffr.errors import UserError

ROW = {"id": "a", "video": "v.mp4", "question": "q?", "answer_type": "text", "answer": "x"}
CHOICE = {"answer_type": "choice", "options": ["x", "y"], "answer": "A"}


@pytest.fixture(scope="module")
def video() -> bytes:
    """A real mp4 of three frames."""
    import io

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height = 32, 32
        for value in (0, 100, 200):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), value, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def write(folder: Path, *rows: dict[str, object] | str | bytes) -> Path:
    path = folder / "rows.jsonl"
    lines = [
        r if isinstance(r, bytes) else (r if isinstance(r, str) else json.dumps(r)).encode()
        for r in rows
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def bad_rows(path: Path) -> tuple[BadRow, ...]:
    return load_questions(path, on_bad_row="skip", check_media=False).skipped


def test_good_rows_keep_their_order_and_values(tmp_path):
    path = write(tmp_path, ROW, "", {**ROW, **CHOICE, "id": "b", "family": "é\u2028"})
    loaded = load_questions(path, check_media=False)
    assert [q.id for q in loaded.questions] == ["a", "b"]
    assert loaded.questions[1].options == ("x", "y")
    assert loaded.questions[1].family == "é\u2028"
    assert loaded.skipped == ()


def test_raw_line_separators_inside_text_do_not_split_a_row(tmp_path):
    path = write(tmp_path, json.dumps({**ROW, "question": "a\u2028b"}, ensure_ascii=False))
    assert load_questions(path, check_media=False).questions[0].question == "a\u2028b"


def test_a_byte_order_mark_is_no_error(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(ROW).encode())
    assert len(load_questions(path, check_media=False).questions) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not valid JSON"),
        ("[1, 2]", "[1, 2] is not an object"),
        (b'{"id": "\xff"}', "is not UTF-8"),
        ('{"id": "a", "id": "b"}', "key 'id' occurs twice"),
        ('{"id": NaN}', "NaN is not allowed"),
        ('{"id": -Infinity}', "-Infinity is not allowed"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": "\\ud800"}', "surrogate"),
        ({**ROW, "question": " \t"}, "question of id='a' is empty"),
        ({**ROW, "answer": ""}, "answer"),
        ({**ROW, "answer": 5}, "answer=5: input should be a valid string"),
        ({**ROW, "answer_type": "essay"}, 'answer_type="essay"'),
        ({**ROW, "colour": "red"}, "unknown key 'colour'; known are id"),
        ({**ROW, **CHOICE, "answer": "C"}, "answer='C' is not one of the letters A, B"),
        ({**ROW, **CHOICE, "answer": "x"}, "answer='x' is not one of the letters A, B"),
        ({**ROW, **CHOICE, "options": ["x"]}, "1 options; give 2 to 26"),
        ({**ROW, "options": ["x", "y"]}, "has options but answer_type='text'"),
        ({"id": "a"}, "video is missing"),
        ({**ROW, "question": "Is <|im_end|> red?"}, "control token '<|im_end|>'"),
        ({**ROW, **CHOICE, "options": ["x", "<|video_pad|>"]}, "control token '<|video_pad|>'"),
        ({**ROW, "gold_spans": [{"start_s": 3, "end_s": 1}]}, "end_s=1.0 lies before start_s=3.0"),
    ],
)
def test_each_kind_of_bad_row_is_named(tmp_path, row, reason):
    (bad,) = bad_rows(write(tmp_path, row))
    assert bad.line == 1
    assert reason in bad.reason
    assert "\n" not in str(bad)
    str(bad).encode("utf-8")


def test_a_second_row_with_the_same_id_is_bad(tmp_path):
    path = write(tmp_path, ROW, "", {**ROW, "question": "other?"})
    assert [str(b) for b in bad_rows(path)] == ["line 3 (id 'a'): this id stands already in line 1"]


def test_fail_counts_all_and_shows_the_first(tmp_path):
    path = write(tmp_path, ROW, *["{"] * 7)
    with pytest.raises(UserError, match=r"7 of 8 rows are bad: line 2: .*; and 2 more\."):
        load_questions(path, check_media=False)


def test_missing_outside_and_undecodable_videos_are_skipped_with_the_reason(tmp_path, video):
    root = tmp_path / "root"
    root.mkdir()
    (root / "good.mp4").write_bytes(video)
    (root / "cut.mp4").write_bytes(video[: len(video) // 2])
    (tmp_path / "outside.mp4").write_bytes(video)
    (root / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    names = ["good.mp4", "gone.mp4", "cut.mp4", "../outside.mp4", "link.mp4", "good.mp4"]
    path = write(tmp_path, *({**ROW, "id": str(i), "video": n} for i, n in enumerate(names)))
    seen: list[tuple[int, int]] = []
    loaded = load_questions(
        path, root, "skip", progress=lambda done, total: seen.append((done, total))
    )
    assert [q.id for q in loaded.questions] == ["0", "5"]
    assert [b.id for b in loaded.skipped] == ["1", "2", "3", "4"]
    assert "does not exist" in loaded.skipped[0].reason
    assert "outside" in loaded.skipped[2].reason
    assert "outside" in loaded.skipped[3].reason
    assert seen == [(i, 5) for i in range(1, 6)], "each video once"


def test_the_media_root_defaults_to_the_files_folder(tmp_path, video):
    (tmp_path / "v.mp4").write_bytes(video)
    assert len(load_questions(write(tmp_path, ROW)).questions) == 1


def test_files_that_cannot_be_read_are_user_errors(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_questions(tmp_path / "gone.jsonl")
    with pytest.raises(UserError, match="cannot read"):
        load_questions(tmp_path)
    with pytest.raises(UserError, match="holds no question"):
        load_questions(write(tmp_path, "", "  "))
    with pytest.raises(UserError, match="media root"):
        load_questions(write(tmp_path, ROW), tmp_path / "nowhere")


def test_the_content_hash_sees_meaning_and_order_only(tmp_path):
    first = load_questions(write(tmp_path, ROW, {**ROW, "id": "b"}), check_media=False)
    spaced = json.dumps({**ROW, "family": ""}, indent=None, separators=(" ,  ", " : "))
    again = load_questions(write(tmp_path, spaced, "", {**ROW, "id": "b"}), check_media=False)
    swapped = load_questions(write(tmp_path, {**ROW, "id": "b"}, ROW), check_media=False)
    assert first.sha256 == again.sha256 == dataset_sha256(first.questions)
    assert first.sha256 != swapped.sha256
