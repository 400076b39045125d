from pathlib import Path

from ffr.cli.doctor import what_works
from ffr.cli.doctor_checks import TESTED, Check, all_checks

ROOT = Path(__file__).parents[3]


def test_the_tested_set_is_the_locked_one():
    pins = {}
    for name in ("cpu.lock", "cpu-no-deps.txt"):
        for line in (ROOT / "requirements" / name).read_text().splitlines():
            if line and not line.startswith("#"):
                package, _, version = line.partition("==")
                pins[package] = version
    assert {name: pins.get(name) for name in TESTED} == TESTED


def test_a_folder_nobody_may_write_to_is_a_problem():
    found = next(check for check in all_checks(Path("/proc")) if check.name == "write permission")
    assert (found.status, bool(found.fix)) == ("problem", True)


def check(name: str, status: str = "ok", found: str = "1.0") -> Check:
    return Check("packages", name, status, found, "fix it")  # type: ignore[arg-type]


def test_what_works_names_what_is_missing():
    found = what_works(
        [check("av"), check("openai", "problem", "not installed"), check("devices", found="no GPU")]
    )
    assert found["teacher tools"] == "yes"
    assert found["hosted or local teacher"] == "no: openai"
    assert found["training on GPUs"] == "no: no GPU found"


def test_another_version_still_works_but_an_absent_package_does_not():
    assert what_works([check("numpy", "warning", "2.0")])["teacher tools"] == "yes"
    assert what_works([check("numpy", "warning", "not installed")])["teacher tools"] == "no: numpy"
