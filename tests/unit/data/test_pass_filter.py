import json

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.data.load import load_questions
from ffr.data.pass_filter import RateBand, filter_questions
from ffr.data.rates import Rate, recorded_rates
from ffr.errors import UserError
from ffr.repair.record import AttemptRecord, GroupRecord, OutcomeRecord, Timings
from ffr.run.records import RolloutLog

ROW = {"video": "v.mp4", "question": "q?", "answer_type": "text", "answer": "x"}


def questions(folder, *names):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({**ROW, "id": name}) + "\n" for name in names))
    return path


def group(name, rights, step, attempt=0, mode="train"):
    outcomes = tuple(
        OutcomeRecord(
            index=i,
            first=AttemptRecord(text="t" * 100, answer="x", accuracy=float(right), format=1.0,
                                right=right, tokens=3, finish_reason="stop"),
            second=AttemptRecord(text="t", answer="x", accuracy=1.0, format=1.0, right=True,
                                 tokens=3, finish_reason="stop"),
        )
        for i, right in enumerate(rights)
    )  # fmt: skip
    return GroupRecord(
        step=step, attempt=attempt, mode=mode, group=f"{name}-{step}", question_id=name,
        answer_type="text", gold="x", row_budget=8, outcomes=outcomes, rows=(),
        timings=Timings(first_pass=0, repair=0, total=0),
    )  # fmt: skip


@pytest.fixture
def run_folder(tmp_path):
    log = RolloutLog(tmp_path / "run" / "rollouts")
    (tmp_path / "run" / "rollouts").mkdir(parents=True)
    for record in (
        group("a", [True] * 3 + [False] * 5, 1), group("b", [False] * 8, 1),
        group("a", [True] * 8, 2), group("a", [False] * 8, 2, attempt=1),  # resumed: this counts
        group("c", [True] * 4, 2, attempt=1, mode="validation"),
    ):  # fmt: skip
        log.append(record)
    with log.path(2).open("a") as file:
        file.write("torn li")
    return tmp_path / "run"


def test_rates_are_of_first_attempts_that_count(run_folder):
    rates = recorded_rates(run_folder)
    assert rates.by_id == {"a": Rate(n=16, right=3), "b": Rate(n=8, right=0)}
    assert (rates.unreadable, rates.other_mode) == (1, 1)
    assert recorded_rates(run_folder, steps=(1, 1)).by_id["a"] == Rate(n=8, right=3)
    assert recorded_rates(run_folder, mode="validation").by_id == {"c": Rate(n=4, right=4)}
    assert set(recorded_rates(run_folder / "rollouts", mode="all").by_id) == {"a", "b", "c"}


def test_a_file_of_records_or_of_rates_is_read_too(run_folder, tmp_path):
    path = tmp_path / "rates.jsonl"
    path.write_text(
        group("a", [True, False], 1).model_dump_json()
        + '\n{"id": "a", "n": 2, "right": 2}\n{"id": "b", "n": 1, "right": 2}\n'
        '{"id": 5, "n": 1, "right": 0}\n{"id": "c", "n": NaN, "right": 0}\n[]\n'
    )
    rates = recorded_rates(path)
    assert rates.by_id == {"a": Rate(n=4, right=3)}
    assert rates.unreadable == 4


def test_nothing_recorded_is_an_error(tmp_path):
    with pytest.raises(UserError, match="holds no recorded attempt of mode 'train'"):
        recorded_rates(tmp_path)


@pytest.mark.parametrize(
    ("right", "place"),
    [(0, "all_fail"), (1, "in_band"), (7, "in_band"), (8, "too_easy")],
)
def test_the_recommended_band_over_eight_samples(right, place):
    assert RateBand().place(Rate(n=8, right=right)) == place


def test_rates_below_the_band_or_of_too_few_samples():
    assert RateBand(low=0.5).place(Rate(n=8, right=1)) == "too_hard"
    assert RateBand(min_samples=4).place(Rate(n=3, right=1)) == "unmeasured"
    assert RateBand().place(None) == "unmeasured"


def test_a_fifth_of_the_result_was_never_right_and_order_stays(tmp_path):
    names = [f"q{i:03}" for i in range(200)]
    rates = {
        name: Rate(n=8, right=0 if i % 2 else 4 if i % 10 else 8) for i, name in enumerate(names)
    }
    source, target = questions(tmp_path, *names, "new"), tmp_path / "out.jsonl"
    report = filter_questions(source, target, {**rates, "gone": Rate(n=1, right=0)}, RateBand())
    assert report.found == {"all_fail": 100, "in_band": 80, "too_easy": 20, "unmeasured": 1}
    assert (report.written, report.all_fail_kept, report.strangers) == (100, 20, 1)
    kept = [q.id for q in load_questions(target, check_media=False).questions]
    assert kept == sorted(kept)
    again = tmp_path / "again.jsonl"
    filter_questions(source, again, rates, RateBand())
    assert again.read_bytes() == target.read_bytes()
    filter_questions(source, again, rates, RateBand(seed=1))
    assert again.read_bytes() != target.read_bytes()


def test_unmeasured_questions_stay_when_asked_for(tmp_path):
    source, target = questions(tmp_path, "a", "b"), tmp_path / "out.jsonl"
    with pytest.raises(UserError, match=r"no question is kept \(2 unmeasured\); widen the band"):
        filter_questions(source, target, {}, RateBand())
    assert not target.exists()
    assert filter_questions(source, target, {}, RateBand(unmeasured="keep")).written == 2


def test_bad_rows_are_named_not_passed_over(tmp_path):
    source, target = questions(tmp_path, "a", "a"), tmp_path / "out.jsonl"
    rates = {"a": Rate(n=2, right=1)}
    with pytest.raises(UserError, match="1 duplicate_id"):
        filter_questions(source, target, rates, RateBand())
    report = filter_questions(source, target, rates, RateBand(), policy=RowPolicy("skip"))
    assert (report.written, report.bad["total"]) == (1, 1)


@pytest.mark.parametrize(
    "band", [{"low": 0}, {"low": 0.6, "high": 0.5}, {"high": 1.1}, {"all_fail": 1}]
)
def test_bands_that_make_no_sense_are_refused(band):
    with pytest.raises(UserError, match="give 0"):
        RateBand(**band)
