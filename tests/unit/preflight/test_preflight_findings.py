"""What the answers of the tasks mean, and what versions a configuration needs."""

import pytest

from ffr.preflight import findings, versions
from ffr.preflight.check import Check
from ffr.preflight.run import PreflightError, Report, refuse
from ffr.preflight.tasks import Answer

FULL, LORA = "ffr_qwen2_5_vl_7b", "ffr_qwen3_vl_4b_lora"


def devices(count: int, cuda: str | None = "12.8") -> Answer:
    return Answer({"torch": "2.11.0", "cuda": cuda, "devices": [["H100", 80 * 10**9]] * count})


@pytest.mark.parametrize(
    ("count", "status", "fix"),
    [
        (8, "ok", ""),
        (9, "ok", ""),
        (4, "problem", "set hardware.devices_per_node to at most 4"),
        (0, "problem", "run on a node with 8 GPUs"),
    ],
)
def test_devices_are_counted_against_the_configuration(preset, count, status, fix):
    check = findings.device_check(preset(FULL), devices(count))
    assert (check.status, check.fix.startswith(fix)) == (status, True)
    assert f"{count} here" in check.found
    assert "configured: 8 a node" in check.found


def test_a_torch_without_cuda_is_named(preset):
    check = findings.device_check(preset(FULL), devices(0, cuda=None))
    assert "torch is built without CUDA" in check.fix


def test_several_nodes_need_their_cluster():
    check = findings.cluster_check(Answer(error="ray: 2 of 4 nodes, 16 of 32 devices after 20 s"))
    assert check.status == "problem"
    assert "2 of 4 nodes" in check.found
    assert "RAY_ADDRESS" in check.fix
    good = Answer("ray: 4 of 4 nodes, 32 of 32 devices")
    assert findings.cluster_check(good).status == "ok"


def tokens(plain, patched=(), one=(), refused=()):
    return Answer({"plain": list(plain), "patched": list(patched), "one_image": list(one),
                   "refused": list(refused)})  # fmt: skip


def test_prompts_that_fit(preset, seven):
    found = list(findings.token_checks(preset(FULL), seven, tokens([1100, 1200], [1700], [1300])))
    assert [check.status for check in found] == ["ok", "ok"]
    assert "1100 to 1200 in 2 prompts; allowed: 4096" in found[0].found
    assert findings.longest_prompt(tokens([1100, None], [1700])) == 1700


def test_a_prompt_that_is_too_long_stops_the_run(preset, seven):
    (check,) = findings.token_checks(
        preset(FULL), seven, tokens([4000, None], refused=["has 4200"])
    )
    assert check.status == "problem"
    assert "has 4200" in check.found
    assert "student.max_prompt_tokens=4096" in check.fix


@pytest.mark.parametrize(("one", "status"), [([3900], "warning"), ([None], "problem")])
def test_a_patch_that_does_not_fit(preset, seven, one, status):
    """Smaller patches may still come; where not even one image fits, none ever will."""
    _, check = findings.token_checks(preset(FULL), seven, tokens([3800], [None], one, ["has 4300"]))
    assert check.status == status
    assert "has 4300" in check.found


def test_more_tokens_than_the_model_has_positions(preset, seven):
    config = preset(FULL, "student.max_prompt_tokens=127500")
    *_, check = findings.token_checks(config, seven, tokens([1100]))
    assert check.status == "problem"
    assert "make 128524, the model takes 128000" in check.found


@pytest.mark.parametrize(
    ("found", "status", "text"),
    [
        ({"stage": "second", "reward": 0.7}, "ok", "second answer, reward 0.70"),
        ({"stage": "refused", "reason": "leak", "detail": "letter"}, "warning", "leak: letter"),
        ({"stage": "first", "reward": 2.0, "right": 4}, "warning", "all answered right"),
        ({"stage": "left_out", "detail": "no GPU here"}, "warning", "no GPU here"),
    ],
)
def test_how_far_the_dry_rollout_got(preset, found, status, text):
    answer = Answer({"asked": 4, "right": 0, "seconds": 3.2} | found)
    check = findings.rollout_check(preset(FULL), answer)
    assert check.status == status
    assert text in check.found


def test_a_broken_rollout_stops_the_run(preset):
    check = findings.rollout_check(preset(FULL), Answer(error="CUDA out of memory"))
    assert (check.status, check.found) == ("problem", "CUDA out of memory")


def test_all_problems_are_told_at_once():
    report = Report()
    report.checks = [
        Check("data", "videos", "problem", "2 of 8 decode", "mend them"),
        Check("run", "disk", "warning", "tight", "free some"),
        Check("teacher", "teacher", "problem", "no answer", "start it"),
    ]
    with pytest.raises(PreflightError) as refused:
        refuse(report, "run/preflight.json")
    for words in ("2 problems", "(1) videos: 2 of 8 decode -> mend them", "(2) teacher: no answer"):
        assert words in str(refused.value)
    assert "disk" not in str(refused.value)
    report.checks = report.checks[1:2]
    refuse(report, "run/preflight.json")


def test_a_run_needs_its_engine_and_kernels(preset, monkeypatch):
    installed = {**versions.TESTED, "vllm": "0.24.0"}
    monkeypatch.setattr(versions, "installed_version", installed.get)
    config = preset(FULL, "student.attention=flash_attention_2")
    found = {c.name: c for c in versions.version_checks(config)}
    assert found["vllm"].status == found["verl"].status == "ok"
    assert found["flash-attn"].status == "problem"
    found = {c.name: c for c in versions.version_checks(preset(FULL, "hardware.rollout=sglang"))}
    assert found["sglang"].status == "problem"
    assert "install sglang==0.5.12" in found["sglang"].fix
    assert "vllm" not in found


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [
        ("verl", "0.10.0", "problem"),  # its hooks move
        ("torch", "2.11.0", "ok"),  # verl's own set for GPUs
        ("torch", "2.9.0", "warning"),
        ("torch", None, "problem"),
        ("vllm", "0.25.0", "warning"),
    ],
)
def test_versions_against_the_tested_sets(preset, monkeypatch, name, version, status):
    installed = {**versions.TESTED, "vllm": "0.24.0", name: version}
    monkeypatch.setattr(versions, "installed_version", installed.get)
    found = {c.name: c for c in versions.version_checks(preset(FULL))}
    assert found[name].status == status
    assert bool(found[name].fix) == (status != "ok")
