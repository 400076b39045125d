import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.yaml_io import parse_yaml, to_yaml
from ffr.errors import UserError

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.mark.parametrize("text", ["\x85", "a\u2028b", "\u2029", "a\r\nb", "\ufeff", " \n "])
def test_unusual_line_breaks_survive_as_key_and_value(text):
    assert parse_yaml(to_yaml({text: [text]})) == {text: [text]}


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["1e-4", "no", "1:30", "0o17", "~", "null", "<<", "=", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(DATA)
def test_what_is_written_is_read_back_with_the_same_types(data):
    back = parse_yaml(to_yaml(data))
    assert repr(back) == repr(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("5E+3", 5000.0),
        (".5", 0.5),
        ("-3", -3),
        ("007", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("True", True),
        ("~", None),
        ("", None),
    ],
)
def test_plain_scalars_follow_the_core_schema(text, value):
    assert repr(parse_yaml(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: key 'a' stands already in line 1"),
        ("a:\n  b: 1\n  b: 1", "line 3: key 'b' stands already in line 2"),
        ("1: x", "line 1: key '1' is not text"),
        ("true: x", "key 'true' is not text"),
        ("a: .nan", "line 1: .nan is not allowed"),
        ("a: [1, -.inf]", "-.inf is not allowed"),
        ("a: 1e999", "1e999 is not allowed"),
        ("a: !!python/object/apply:os.getcwd []", "tag tag:yaml.org,2002:python"),
        ("a: !!binary aGk=", "binary is not allowed"),
        ("a: !!int seven", "does not fit its tag"),
        ("a: !!bool maybe", "does not fit its tag"),
        ("a: [1,", "line 1, column 7: not valid YAML"),
        ("a: 1\n\tb: 2", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_surprising_yaml_is_refused_with_its_place(text, message):
    with pytest.raises(UserError) as caught:
        parse_yaml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_merge_keys_let_a_mapping_override_its_anchor():
    assert parse_yaml("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}")["y"] == {"a": 1, "b": 3}
