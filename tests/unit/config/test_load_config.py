from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.explain import nearest_key, valid_keys
from ffr.config.load import dump_config, load_config
from ffr.config.schema import RunConfig
from ffr.errors import UserError

TINY = "student: {tiny: {}}\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(TINY)
    return path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(paths: list[Path], overrides: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        load_config(paths, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_later_layers_win_and_null_replaces(tmp_path, base):
    first = write(tmp_path, "first.yaml", "grpo: {lr: 1e-5, steps: 7}\nrepair: {when: below}\n")
    second = write(
        tmp_path, "second.yaml", "grpo: {lr: 2e-5}\nstudent: {tiny: null, path: models/x}\n"
    )
    config = load_config([base, first, second], ["grpo.clip_ratio=0.3", "stages=[eval]"])
    assert (config.grpo.lr, config.grpo.steps, config.grpo.clip_ratio) == (2e-5, 7, 0.3)
    assert config.repair.when == "below"
    assert (config.student.tiny, config.student.path) == (None, "models/x")
    assert config.stages == ("eval",)


def test_extends_is_relative_to_the_file_and_comes_before_it(tmp_path, base):
    (tmp_path / "sub").mkdir()
    write(tmp_path, "other.yaml", "seed: 1\nname: other\n")
    child = write(tmp_path / "sub", "child.yaml", "extends: [../base.yaml, ../other.yaml]\nseed: 2")
    config = load_config([child])
    assert (config.seed, config.name) == (2, "other")


def test_files_that_extend_each_other_are_refused(tmp_path):
    a = write(tmp_path, "a.yaml", "extends: b.yaml\n")
    write(tmp_path, "b.yaml", "extends: a.yaml\n")
    assert "a.yaml -> b.yaml -> a.yaml" in refused([a], [])


def test_any_key_below_verl_passes_through_with_its_type(base):
    config = load_config([base], ["verl.trainer.x.y=1e-3", "verl.trainer.z=[a, 2]"])
    assert config.verl == {"trainer": {"x": {"y": 1e-3}, "z": ["a", 2]}}


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("grpo.grop_size=4", ["unknown key grpo.grop_size", "did you mean grpo.group_size?"]),
        ("kappa=0.1", ["unknown key kappa", "did you mean reward.kappa?"]),
        ("repare.when=always", ["unknown key repare", "did you mean repair?"]),
        ("teacher.leek.enabled=true", ["unknown key teacher.leek", "teacher.leak?"]),
        ("zzz=1", ["unknown key zzz", "known here:", "student"]),
        ("grpo.lr=-1", ["grpo.lr=-1", "give a number > 0", "default 5e-06", "override"]),
        ("grpo.lr=.nan", ["grpo.lr=.nan", ".nan is not allowed", "finite"]),
        ("grpo.lr=fast", ['grpo.lr="fast"', "a number > 0"]),
        ("grpo.steps=true", ["grpo.steps=true", "an integer >= 1"]),
        ("grpo.steps=2.5", ["grpo.steps=2.5", "an integer >= 1"]),
        ("grpo.steps='8'", ['grpo.steps="8"', "an integer >= 1"]),
        ("repair.below_rate=1.5", ["repair.below_rate=1.5", "a number >= 0 and <= 1"]),
        ("repair.max_per_question=-1", ["an integer >= 0 or null"]),
        ("repair.when=maybe", ['repair.when="maybe"', "one of always, no_signal, below"]),
        ("stages=[sft, foo]", ['stages[1]="foo"', "one of sft, grpo, eval"]),
        ("student.frames.exact_size=[32]", ["student.frames.exact_size=[32]", "list of 2 values"]),
        ("hardware=big", ['hardware="big"', "a section with keys among platform"]),
        ("name='a b'", ['name="a b"', "^[A-Za-z0-9_-][A-Za-z0-9._-]*$"]),
        ("student.path=x", ["student.path and student.tiny: set exactly one"]),
        ("stages=[]", ["stages is empty; list at least one"]),
        ("grpo.lr", ["override 'grpo.lr' is not KEY=VALUE"]),
        ("+grpo.lr=1", ["+ only below verl"]),
        ("grpo..lr=1", ["is not KEY=VALUE"]),
        ("grpo.lr=[1", ["override 'grpo.lr=[1'", "not valid YAML"]),
    ],
)
def test_bad_keys_and_values_name_what_is_allowed(base, override, parts):
    message = refused([base], [override])
    assert all(part in message for part in parts), message


def test_the_message_names_the_file_that_set_the_value(tmp_path, base):
    layer = write(tmp_path, "layer.yaml", "grpo: {group_size: 1}\n")
    assert f"(from {layer})" in refused([base, layer], [])


def test_many_problems_are_counted(base):
    overrides = [f"grpo.nonsense{i}=1" for i in range(5)]
    assert refused([base], overrides).endswith("and 2 more")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("- a\n- b\n", "the top level is a list"),
        ("hello", "the top level is text"),
        ("seed: 1\nseed: 2\n", "key 'seed' stands already in line 1"),
        ("extends: 5\n", "extends=5 is not allowed"),
        ("verl: &x\n  a: *x\n", "contains itself"),
    ],
)
def test_malformed_files_are_refused_by_name(tmp_path, text, part):
    assert part in refused([write(tmp_path, "bad.yaml", text)], [])


def test_unreadable_files_are_refused_by_name(tmp_path, base):
    message = refused([tmp_path / "nope.yaml"], [])
    assert "nope.yaml does not exist" in message
    assert "base.yaml" in message
    assert "is a folder" in refused([tmp_path], [])
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert "not UTF-8" in refused([tmp_path / "latin.yaml"], [])


def test_an_empty_file_changes_nothing(tmp_path, base):
    assert load_config([base, write(tmp_path, "empty.yaml", "")]) == load_config([base])


def test_nearest_key_finds_every_misplaced_leaf():
    for key in valid_keys():
        leaf = key.rpartition(".")[2]
        found = nearest_key(leaf)
        assert found is not None
        assert found.rpartition(".")[2] == leaf


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8"), max_size=9)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(
    lr=st.floats(1e-12, 1e3),
    seed=st.integers(-(2**31), 2**31),
    system=st.text(st.characters(codec="utf-8"), max_size=40),
    size=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    stages=st.permutations(["sft", "grpo", "eval"]),
    verl=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=3),
)
def test_a_dumped_configuration_loads_back_equal(
    tmp_path_factory, lr, seed, system, size, stages, verl
):
    config = RunConfig.model_validate(
        {
            "seed": seed,
            "stages": stages,
            "grpo": {"lr": lr},
            "student": {
                "tiny": {},
                "prompt": {"system": system},
                "frames": {"exact_size": size},
            },
            "verl": verl,
        }
    )
    path = tmp_path_factory.mktemp("dump") / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config([path]) == config
