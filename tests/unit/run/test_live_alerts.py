"""The rules that speak up while a run goes on."""

import pytest

from ffr.run.metrics import step_metrics
from ffr.watch.alerts import alerts


def kinds(lines, events=(), silent=None) -> list[str]:
    return [alert.kind for alert in alerts(lines, events, silent)]


def test_a_healthy_step_says_nothing():
    line = {"repair/asked": 10.0, "repair/patches": 10.0, "repair/succeeded": 4.0,
            "advantage/groups": 8.0, "reward/total/zero_variance_groups": 2.0,
            "generated/truncated_rate": 0.01, "repair/no_patch/store_miss": 9.0}  # fmt: skip
    assert kinds([line]) == []


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ({"repair/asked": 10.0, "repair/no_patch/timeout": 2.0, "repair/no_patch/leak": 1.0},
         "teacher", "failed in 20% of 10 diagnoses (timeout 2)"),
        ({"repair/patches": 20.0, "repair/succeeded": 0.0}, "no_repair", "none of 20 patches"),
        ({"repair/leak_rejected": 3.0, "repair/no_patch/leak": 1.0}, "leaks",
         "3 patches refused as leaks, 1 failures left"),
        ({"advantage/groups": 8.0, "reward/total/zero_variance_groups": 5.0}, "flat",
         "62% of the groups"),
        ({"generated/truncated_rate": 0.2}, "cut_off", "20% of the answers are cut off"),
        ({"non_finite": 2}, "non_finite", "2 metrics were NaN"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_line(line, kind, text):
    found = alerts([line], (), None)
    by_kind = {alert.kind: alert.text for alert in found}
    assert text in by_kind[kind]


def test_gamed_citations_are_told_from_the_mean_of_the_last_steps():
    lines = [{"rler/cited_share/mean": 0.9, "rler/cites_all_rate": 0.8} for _ in range(3)]
    found = alerts(lines, (), None)
    assert found
    assert all(alert.kind.startswith("gaming:") for alert in found)


def test_only_the_last_ten_steps_count():
    bad = {"repair/asked": 10.0, "repair/no_patch/timeout": 10.0}
    good = {"repair/asked": 10.0, "repair/succeeded": 5.0}
    assert kinds([bad] * 5 + [good] * 10) == []
    assert kinds([good] * 10 + [bad]) == ["teacher"]


def test_the_worst_comes_first():
    line = {"generated/truncated_rate": 0.5, "repair/asked": 4.0, "repair/no_patch/timeout": 4.0}
    events = [{"event": "bad_row"}, {"event": "group_skipped"}, {"event": "group_skipped"}]
    found = alerts([line], events, 500.0)
    assert found[0].kind == "teacher"
    assert [a.text for a in found if a.kind == "group_skipped"] == [
        "2 questions could not be used and were skipped; see events.jsonl"
    ]
    assert "silent" in [a.kind for a in found]


def test_the_rules_read_the_metrics_the_trainer_writes(make_group):
    metrics = step_metrics([make_group()])
    assert metrics["advantage/groups"] == 1.0
    assert kinds([metrics]) == ["leaks", "cut_off"]
