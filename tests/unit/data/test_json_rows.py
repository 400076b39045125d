import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.data import json_rows
from ffr.data.bad_rows import BadRow
from ffr.data.json_rows import iter_json, read_json_rows
from ffr.errors import UserError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=4)


def write(folder: Path, text: str | bytes, name: str = "rows.json") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(st.lists(objects, max_size=5), st.booleans(), st.sampled_from([None, 1]), st.integers(1, 7))
def test_a_list_read_in_pieces_of_any_size_is_the_list(
    tmp_path_factory, rows, escaped, indent, chunk
):
    path = write(
        tmp_path_factory.mktemp("list"), json.dumps(rows, ensure_ascii=escaped, indent=indent)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_CHUNK", chunk)
        assert list(iter_json(path)) == list(enumerate(rows, start=1))


@given(st.lists(objects, min_size=1, max_size=5))
def test_lines_and_list_give_the_same_rows(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("lines")
    lines = write(folder, "".join(json.dumps(r) + "\n" for r in rows), "rows.jsonl")
    assert list(iter_json(lines)) == list(read_json_rows(lines)) == list(enumerate(rows, start=1))


def test_a_broken_element_costs_itself_and_no_other(tmp_path):
    text = (
        '[{"a": 1}, {"a": NaN}, 5, {"a" 2}, {"a": 1, "a": 2}, {"a": "\\ud800"}, , {"a": [}, '
        '{"a": "x]},{"}, {"a": 3}]'
    )
    rows = dict(iter_json(write(tmp_path, text)))
    assert {n for n, row in rows.items() if not isinstance(row, BadRow)} == {1, 9, 10}
    assert rows[9] == {"a": "x]},{"}
    reasons = [str(rows[n]) for n in range(2, 9)]
    for reason, wanted in zip(
        reasons,
        ["NaN", "5 is not an object", "not valid JSON", "occurs twice", "surrogate",
         "not valid JSON", "not valid JSON"],
        strict=True,
    ):  # fmt: skip
        assert wanted in reason


@pytest.mark.parametrize(
    ("text", "last"),
    [('[{"a": 1}, {"a": 2', "ends without ']'"), ('[{"a": 1}] [', "text after the end"),
     ('[{"a": 1}, {"b": "no quote}]', "ends without ']'")],
)  # fmt: skip
def test_what_is_wrong_with_the_list_itself_is_named(tmp_path, text, last):
    rows = list(iter_json(write(tmp_path, text)))
    assert rows[0] == (1, {"a": 1})
    assert isinstance(rows[-1][1], BadRow)
    assert last in rows[-1][1].reason


@pytest.mark.parametrize("backslashes", ["", "\\\\", "\\\\\\\\"])
def test_rows_beyond_the_limit_are_named_and_never_held(tmp_path, monkeypatch, backslashes):
    monkeypatch.setattr(json_rows, "MAX_ROW_BYTES", 64)
    monkeypatch.setattr(json_rows, "_CHUNK", 16)
    long = "x" * 5000 + backslashes + '\\"]},{[' + "y" * 300
    rows = [f'{{"a": "{long}"}}', '{"a": 1}', f'[{"{}," * 200}{{}}]', '{"a": 2}']
    for text, name in ((f"[{','.join(rows)}]", "list"), ("\n".join(rows), "lines.jsonl")):
        found = dict(iter_json(write(tmp_path, text, name)))
        assert (found[2], found[4]) == ({"a": 1}, {"a": 2})
        for place in (1, 3):
            bad = found[place]
            assert isinstance(bad, BadRow)
            assert bad.kind == "too_long"
            assert f"has {len(rows[place - 1])}" in bad.reason or name == "lines.jsonl"
        assert len(found) == 4


def test_packed_files_are_unpacked_on_the_way(tmp_path):
    path = write(tmp_path, gzip.compress(b'[{"a": 1}]'), "rows.json.gz")
    assert list(iter_json(path)) == [(1, {"a": 1})]
    path.write_bytes(gzip.compress(b'[{"a": 1}]' * 5000)[:40])
    with pytest.raises(UserError, match="the file is damaged"):
        list(iter_json(path))


def test_empty_files_hold_nothing(tmp_path):
    for text in ("", " \n ", "[]", " [ ] "):
        assert list(iter_json(write(tmp_path, text))) == []
