"""Recall and false alarms of the leak gate on labelled patches.

``development.jsonl`` is the half the rules were improved against.  ``held_out.jsonl`` was written
before any rule was touched; its single misses were never printed, but its totals led to more
development cases, so it is no longer blind.  ``fresh.jsonl`` was written when the rules were
finished and measured once.  One author wrote all three and the rules.  Labels: ``direct`` (the
answer can be read off), ``partial`` (worked out, narrowed down or guessed), ``harmless``.

    python benchmarks/leaks.py [--misses] [--speed]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ffr.patches.patch import EvidencePatch
from ffr.teacher.leakage import check_patch
from ffr.teacher.leakage.cases import HARMLESS, LeakCase, read_cases

_SETS = Path(__file__).resolve().parent / "leak_set"
_HALVES = ("development", "held_out", "fresh")
_TARGETS = {"direct": 0.98, "partial": 0.90}
_FALSE_ALARMS = 0.05


def refused(case: LeakCase) -> bool:
    """What the gate says about a case."""
    return not check_patch(case.as_question(), case.patch, case.student_response).passed


def report(name: str, cases: Sequence[LeakCase], shown: bool) -> bool:
    """Print one half by kind and form; whether it meets the targets."""
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    wrong: list[LeakCase] = []
    for case in cases:
        assert case.kind is not None
        says_leak = refused(case)
        found[case.kind][case.form].append(says_leak)
        if says_leak == (case.kind == HARMLESS):
            wrong.append(case)
    print(f"\n{name}: {len(cases)} patches")
    met = True
    for kind in ("direct", "partial", HARMLESS):
        verdicts = [v for form in found[kind].values() for v in form]
        rate = statistics.mean(verdicts)
        ok = rate <= _FALSE_ALARMS if kind == HARMLESS else rate >= _TARGETS[kind]
        goal = f"<= {_FALSE_ALARMS:.2f}" if kind == HARMLESS else f">= {_TARGETS[kind]:.2f}"
        title = "false alarms" if kind == HARMLESS else f"recall {kind}"
        met &= ok
        print(f"  {title:16} {rate:.3f} ({sum(verdicts)}/{len(verdicts)}), target {goal}"
              f"{'' if ok else '   MISSED'}")
        for form, hits in sorted(found[kind].items()):
            print(f"      {form:16} {sum(hits)}/{len(hits)}")
    if shown:
        for case in wrong:
            rules = check_patch(case.as_question(), case.patch, case.student_response).rules
            texts = case.patch.model_dump(exclude_defaults=True, exclude={"error_types"})
            print(f"  {case.id} [{case.form}] gold={case.answer!r} {list(rules)}: {texts}")
    return met


def speed() -> None:
    """Milliseconds a patch, and how the time grows with the length of hostile text."""
    cases = [case for half in _HALVES for case in read_cases(_SETS / f"{half}.jsonl")]
    started = time.perf_counter()
    for case in cases:
        refused(case)
    print(f"\n{1000 * (time.perf_counter() - started) / len(cases):.2f} ms a patch")
    by_type = list({case.answer_type: case for case in cases}.values())
    print("hostile text just short enough to be judged: seconds for 2, 5, 20 thousand characters"
          " (all answer types together)")
    for piece in ("1, ", "1 and ", "one ", "1:", "(", "a b ", "no ", "not 1 ", "a", "1", " ", "B ",
                  "option ", "a-", "0x", "不", "the answer is "):
        seconds = []
        for size in (2_000, 5_000, 20_000):
            text = (piece * (size // len(piece) + 1))[:size]
            patch = EvidencePatch.model_construct(
                error_types=("temporal",), guidance=text, key_times_s=(), temporal_markers=(),
                spatial_regions=(), frames=(),
            )
            started = time.perf_counter()
            for case in by_type:
                check_patch(case.as_question(), patch, text)
            seconds.append(time.perf_counter() - started)
        print(f"  {piece!r:18} " + "  ".join(f"{s:7.2f}" for s in seconds), flush=True)


def main() -> int:
    """Print the report of each part and of all together; exit code 1 when the latter misses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--misses", action="store_true",
                        help="print the cases of the development half that were judged wrong")
    parser.add_argument("--half", choices=_HALVES, help="only this part")
    parser.add_argument("--speed", action="store_true", help="also measure time")
    given = parser.parse_args()
    together: list[LeakCase] = []
    met = True
    for half in [given.half] if given.half else _HALVES:
        cases = list(read_cases(_SETS / f"{half}.jsonl"))
        together += cases
        # The misses of the others stay unseen, so that no rule is made for them.
        met = report(half, cases, shown=given.misses and half == "development")
    if not given.half:
        met = report("all together", together, shown=False)
    if given.speed:
        speed()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
