"""From configuration to a teacher: keys, addresses, and what needs no network at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffr.config.load import load_config
from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.patches.files import StoreError
from ffr.patches.keys import KeyMaker
from ffr.patches.patch import NoPatch
from ffr.repair.protocols import FailedRollout
from ffr.teacher.build import build_teacher, key_maker
from ffr.teacher.off import TeacherOff
from ffr.teacher.prompts import prompt_hash
from ffr.teacher.stored import ClosableTeacher, StoredTeacher
from ffr.teacher.text_tools import TextTools
from teacher_tools.toolset import builtin_toolset

QUESTION = Question(id="q", video="v.mp4", question="What?", answer_type="text", answer="red")


def build(tmp_path: Path, config: TeacherConfig, **options: Any) -> ClosableTeacher:
    store = options.pop("store", StoreConfig())
    return build_teacher(
        config, store, store_dir=tmp_path / "store", media_root=tmp_path, **options
    )


async def test_no_teacher(tmp_path: Path) -> None:
    teacher = build(tmp_path, TeacherConfig(kind="none"))
    assert isinstance(teacher, TeacherOff)
    result = await teacher.diagnose(FailedRollout(QUESTION, "x", None))
    assert result.outcome == NoPatch(reason="teacher_off")
    assert result.source == "none"
    await teacher.aclose()
    assert not (tmp_path / "store").exists()


async def test_replay_needs_no_key_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"x")
    teacher = build(tmp_path, TeacherConfig(kind="replay"))
    assert isinstance(teacher, StoredTeacher)
    result = await teacher.diagnose(FailedRollout(QUESTION, "x", "blue"))
    assert isinstance(result.outcome, NoPatch)
    assert result.outcome.reason == "store_miss"
    await teacher.aclose()
    assert not (tmp_path / "store").exists()


async def test_a_remote_endpoint_needs_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    config = TeacherConfig(api_key_env="MY_KEY")
    with pytest.raises(UserError, match=r"MY_KEY .*is not set; export"):
        build(tmp_path, config)
    remote = config.model_copy(update={"base_url": "http://10.0.0.7:8000/v1"})
    with pytest.raises(UserError, match="is not set"):
        build(tmp_path, remote)
    monkeypatch.setenv("MY_KEY", "two\nlines-secret")
    with pytest.raises(UserError, match="characters no key has") as info:
        build(tmp_path, config)
    assert "secret" not in str(info.value)
    monkeypatch.setenv("MY_KEY", "word")
    await build(tmp_path, config).aclose()


@pytest.mark.parametrize(
    "address", ["http://localhost:8000/v1", "http://127.0.0.1:1/v1", "http://[::1]:8000/v1"]
)
async def test_this_machine_needs_no_key(tmp_path: Path, address: str) -> None:
    await build(tmp_path, TeacherConfig(base_url=address)).aclose()
    await build(tmp_path, TeacherConfig(), base_url=address).aclose()


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://x/v1", "http://", "http://h:x/v1"])
def test_bad_addresses_are_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError, match="is not an address"):
        build(tmp_path, TeacherConfig(base_url=address))


def test_passwords_in_addresses_are_refused_and_not_repeated(tmp_path: Path) -> None:
    for address in ("http://me:hunter2@localhost:8000/v1", "ftp://me:hunter2@x"):
        with pytest.raises(UserError) as info:
            build(tmp_path, TeacherConfig(base_url=address))
        assert "hunter2" not in str(info.value)


def test_other_mistakes(tmp_path: Path) -> None:
    local = TeacherConfig(base_url="http://localhost:1/v1")
    with pytest.raises(UserError, match="demo server"):
        build(tmp_path, TeacherConfig(kind="demo"))
    with pytest.raises(UserError, match="tool 'nope'"):
        build(tmp_path, local.model_copy(update={"tools": ("nope",)}))
    with pytest.raises(ValueError, match="share"):
        build(tmp_path, local, share=0.0)
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="choose another folder"):
        build(tmp_path, local)


def test_keys_follow_the_set_up() -> None:
    tools = builtin_toolset(("clip", "zoom"))
    base = TeacherConfig(model="m")
    key = key_maker(base, tools).key("v", QUESTION, "x")
    same = base.model_copy(update={"kind": "replay", "retries": 0, "concurrency": 3})
    assert key_maker(same, tools).key("v", QUESTION, "x") == key
    for change in ({"model": "n"}, {"see_gt": False}, {"patch_max_frames": 1}):
        other = base.model_copy(update=change)
        assert key_maker(other, tools).key("v", QUESTION, "x") != key
    assert key_maker(base, builtin_toolset(("clip",))).key("v", QUESTION, "x") != key


def test_replay_imports_no_network_code(tmp_path: Path) -> None:
    code = (
        "import sys; from ffr.config.teacher import *; from ffr.teacher.build import build_teacher;"
        "build_teacher(TeacherConfig(kind='replay'), StoreConfig(), store_dir='s', media_root='.');"
        "print([m for m in ('openai', 'httpx', 'httpx2', 'torch', 'verl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "[]"


def test_new_settings_leave_old_keys_alone() -> None:
    """Stores made before tool_calling and the budgets of a patch existed stay valid."""
    tools = builtin_toolset(("clip",))
    expected = KeyMaker(
        "m", prompt_hash(), {tool.name: tool.hash for tool in tools}, True,
        {"frames": 4, "words": 60},
    )  # fmt: skip
    assert key_maker(TeacherConfig(model="m"), tools) == expected
    for change in (
        {"patch_max_pixels": 100_000}, {"patch_max_seconds": 3.0}, {"tool_calling": "text"},
    ):  # fmt: skip
        assert key_maker(TeacherConfig(model="m", **change), tools) != expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_cost": 5.0}, "max_cost=5 needs price_input and price_output"),
        ({"max_cost": 5.0, "price_input": 1.0}, "never guessed"),
        ({"kind": "in_process", "model": "m"}, r"needs in_process\.path"),
        (
            {"kind": "in_process", "model": "m", "in_process": {"path": "x"},
             "requests_per_minute": 5},
            "mean nothing",
        ),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TeacherConfig.model_validate(values)


def test_a_key_in_place_of_its_variables_name_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "layer.yaml"
    file.write_text("teacher: {api_key_env: sk-proj-verysecret}\n")
    with pytest.raises(UserError, match="is not the name of an environment variable") as info:
        load_config([Path(__file__).parents[3] / "configs" / "quickstart.yaml", file])
    assert "verysecret" not in str(info.value)


async def test_shares_of_limits(tmp_path: Path) -> None:
    config = TeacherConfig(
        base_url="http://localhost:1/v1", max_requests=100, max_cost=8.0, price_input=1.0,
        price_output=1.0, concurrency=16, tool_calling="text",
    )  # fmt: skip
    teacher = build(tmp_path, config, share=0.25)
    assert isinstance(teacher, StoredTeacher)
    live: Any = teacher._live
    assert isinstance(live._client, TextTools)
    spending = live._client._model.spending
    assert spending._max == (25, None, 2.0)
    assert live._slots._value == 4
    await teacher.aclose()


@pytest.mark.parametrize("name", ["annotations", "cloud_api", "in_process", "vllm_qwen3_vl"])
def test_ready_layers_load_on_top_of_a_run(name: str) -> None:
    configs = Path(__file__).parents[3] / "configs"
    layers = [configs / "quickstart.yaml", configs / "teacher" / f"{name}.yaml"]
    teacher = load_config(layers).teacher
    assert teacher.kind in ("openai", "in_process", "annotations")
    assert (teacher.step_deadline_s or 1e9) >= teacher.deadline_s >= teacher.call_timeout_s
