"""The labelled patches of ``benchmarks/leak_set``: well formed, diverse, and judged as required."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ffr.teacher.leakage import check_patch
from ffr.teacher.leakage.cases import HARMLESS, LeakCase, read_cases

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "leak_set"
PARTS = ("development", "held_out", "fresh")


@pytest.fixture(scope="module")
def cases() -> dict[str, list[LeakCase]]:
    return {part: list(read_cases(FOLDER / f"{part}.jsonl")) for part in PARTS}


def test_the_set_is_large_and_diverse(cases: dict[str, list[LeakCase]]) -> None:
    everything = [case for part in cases.values() for case in part]
    kinds = Counter(case.kind for case in everything)
    assert set(kinds) == {"direct", "partial", HARMLESS}
    assert len(everything) >= 300
    assert kinds[HARMLESS] >= 120
    assert {case.answer_type for case in everything} == {
        "choice", "number", "text", "ocr", "free_form", "regression",
    }  # fmt: skip
    assert len({case.id for case in everything}) == len(everything)


def test_no_question_stands_in_two_parts(cases: dict[str, list[LeakCase]]) -> None:
    asked = [{case.question for case in part} for part in cases.values()]
    assert sum(map(len, asked)) == len(set().union(*asked))


def test_the_gate_meets_its_targets(cases: dict[str, list[LeakCase]]) -> None:
    total, refused = Counter[str](), Counter[str]()
    for case in (case for part in cases.values() for case in part):
        assert case.kind is not None
        verdict = check_patch(case.as_question(), case.patch, case.student_response)
        total[case.kind] += 1
        refused[case.kind] += not verdict.passed
    assert refused["direct"] / total["direct"] >= 0.98
    assert refused["partial"] / total["partial"] >= 0.90
    assert refused[HARMLESS] / total[HARMLESS] <= 0.05
