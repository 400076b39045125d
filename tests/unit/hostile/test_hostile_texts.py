"""No text for a model holds a path or a secret, whatever it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teacher_tools import ToolError, builtin_toolset
from teacher_tools.errors import safe_text
from teacher_tools.hiding import Hiding
from teacher_tools.media import MediaError, MediaNotAllowedError, resolve_media

PATHS = [
    "/etc/passwd", "/home/me/v.mp4", "~/.ssh/id_rsa", "~root/.ssh/id_rsa", "../../etc/passwd",
    "./media/secret.mp4", "media/secret.mp4", "a.b/c-d/secret.jsonl", "C:\\Users\\secret",
    "C:/Users/secret", "\\\\host\\share\\secret", "file:///etc/passwd", "http://host/secret",
    "rtmp://host:1/secret", "//host/secret",
]  # fmt: skip
AROUND = ["{}", "cannot read {}", "'{}'", '"{}"', "in ({}), too", "path={}", "a:{}", "`{}`", "<{}>"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("around", AROUND)
def test_paths_are_masked_wherever_they_stand(path: str, around: str) -> None:
    told = safe_text(around.format(path))
    assert "<path>" in told
    for word in ("etc", "passwd", "secret", "me/", "ssh", "host"):
        assert word not in told


@pytest.mark.parametrize(
    "text",
    [
        "t=1.50s", "16:9", "24/7", "AC/DC", "and/or", "12/11/2026", "3.5/4.0 s", "range 0.0-62.4 s",
        "a text of at most 2000 characters", "1/16 to 16", "5 m / 2 s", "50 %", "...", "~ 3 s",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert safe_text(text) == text


@given(st.text(max_size=200), st.integers(2, 100))
def test_any_text_becomes_printable_and_short(text: str, limit: int) -> None:
    told = safe_text(text, limit)
    assert len(told) <= limit
    assert all(character.isprintable() or character == "\n" for character in told)


def test_a_cut_text_says_so() -> None:
    assert safe_text("x" * 700).endswith("…")
    assert safe_text("/" + "x" * 5000 + " end", 100) == "<path>…"


def test_known_values_and_folders_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "one two three")
    monkeypatch.setenv("SHORT_OF_TEST", "cpu")
    hiding = Hiding(["TOKEN_OF_TEST", "SHORT_OF_TEST", "UNSET_OF_TEST"])
    video = Path("/some where/my video.mp4")
    text = "one two three on cpu at /some where/my video.mp4 and /some where/else"
    assert hiding.for_model(text, video) == "<TOKEN_OF_TEST> on cpu at <path> and <path>/else"
    assert hiding.for_log("one two three/") == "<TOKEN_OF_TEST>/"
    assert hiding.for_model("a/b", Path("v.mp4")) == "a/b"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(PATHS),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)  # fmt: skip
TOOLS = {tool.name: tool for tool in builtin_toolset()}
NAMES = ["start_s", "end_s", "frames", "t_s", "box", "mode", "video", "path"]


@given(st.sampled_from(list(TOOLS)), st.dictionaries(st.sampled_from(NAMES), values, max_size=6))
def test_any_arguments_are_checked_or_refused_without_a_path(
    name: str, arguments: dict[str, Any]
) -> None:
    parameters, refusal = TOOLS[name].parameters, ""
    try:
        checked = parameters.parse(json.dumps(arguments))
    except ToolError as error:
        refusal = str(error)
    else:
        assert set(checked) == set(parameters.names)
    assert "/etc" not in refusal
    assert "secret" not in refusal


@pytest.mark.parametrize(
    "text",
    [
        "\ud800", '{"t_s": "\ud800"}', "\x00", "\ufeff{}", '{"t_s": 1e999}', '{"t_s": -1e999}',
        '{"t_s": 1, "t_s": NaN}', '{"t_s": Infinity}', '{"t_s": 0x10}', '{"t_s": 1_0}',
        "[" * 16_000, '{"a":' * 3_000, '{"t_s": ' + "9" * 16_000 + "}",
    ],
)  # fmt: skip
def test_json_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ToolError) as caught:
        TOOLS["zoom"].parameters.parse(text)
    assert len(str(caught.value)) < 700


names = st.lists(
    st.sampled_from(["..", ".", "a", "v.mp4", "", "out", "\0", "\ud800", "/etc", "~", "x" * 300])
    | st.text(max_size=4),
    max_size=6,
).map("/".join)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    root = folder / "media"
    (root / "a").mkdir(parents=True)
    (root / "a" / "v.mp4").write_bytes(b"v")
    (folder / "v.mp4").write_bytes(b"secret")
    (root / "out").symlink_to(folder)
    return root


@given(name=names)
def test_any_name_is_a_file_below_the_root_or_refused(root: Path, name: str) -> None:
    refusal = ""
    try:
        path = resolve_media(name, root)
    except MediaError as error:
        refusal = str(error)
    else:
        assert path == (root / "a" / "v.mp4").resolve()
    assert len(refusal) < 1_200


def test_outside_the_root_nobody_learns_what_exists(root: Path) -> None:
    for name in ("../v.mp4", "../gone.mp4", "/etc/passwd", "/etc/gone", "out/v.mp4", "out/gone"):
        with pytest.raises(MediaNotAllowedError, match="outside the media root"):
            resolve_media(name, root)
