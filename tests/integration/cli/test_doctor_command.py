import json
import os
import subprocess
import sys

import pytest

from ffr.cli.doctor import what_works
from ffr.cli.doctor_checks import Check


@pytest.fixture(scope="module")
def doctor() -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.argv = ['ffr', 'doctor', '--json']; from ffr.cli.main import main; main()"
    )
    environment = {**os.environ, "OPENAI_API_KEY": "sk-very-secret"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_every_finding_that_is_not_fine_has_a_fix(doctor):
    checks = [Check(**c) for c in json.loads(doctor.stdout)["checks"]]
    assert all(check.fix for check in checks if check.status != "ok")
    assert len({check.name for check in checks}) == len(checks)


def test_the_environment_of_the_tests_can_train(doctor):
    found = json.loads(doctor.stdout)
    checks = [Check(**c) for c in found["checks"]]
    assert [c for c in checks if c.status == "problem"] == []
    assert (doctor.returncode, found["ok"]) == (0, True)
    assert found["works"] == what_works(checks)
    assert found["works"]["training without a GPU (make quickstart)"] == "yes"


def test_keys_are_never_shown(doctor):
    assert "very-secret" not in doctor.stdout + doctor.stderr
    key = next(c for c in json.loads(doctor.stdout)["checks"] if c["name"] == "OPENAI_API_KEY")
    assert key["found"] == "set"
