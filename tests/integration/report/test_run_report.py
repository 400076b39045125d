"""`ffr report` of run folders, in a real headless Chromium."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from made_run import make_run
from playwright.sync_api import expect

from ffr.cli.main import main
from ffr.report.build import BuiltReport, build_report

HOSTILE = "</script><img src=x onerror=window.bad=1><b>\u2028 ${1}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    """Two runs on one world; every text of the first is an attack."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "hostile", steps=2, questions=5, hostile=HOSTILE)
    make_run(folder / "other", steps=12, questions=5, seed=1)
    return [folder / "hostile", folder / "other"]


@pytest.fixture(scope="module")
def both(runs, tmp_path_factory) -> BuiltReport:
    return build_report(runs, tmp_path_factory.mktemp("report") / "both.html")


@pytest.fixture(scope="module")
def other(runs, tmp_path_factory) -> BuiltReport:
    return build_report([runs[1]], tmp_path_factory.mktemp("report") / "other.html")


@pytest.fixture(scope="module")
def folder(runs, tmp_path_factory) -> BuiltReport:
    return build_report(runs, tmp_path_factory.mktemp("report") / "folder", form="folder")


def records(run: Path) -> list[dict]:
    files = sorted((run / "rollouts").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def fixed_place(run: Path) -> tuple[dict, int]:
    """A group of the run with a fixed rollout, and its index."""
    return next(
        (group, outcome["index"])
        for group in records(run)
        for outcome in group["outcomes"]
        if outcome["second"] and outcome["second"]["right"]
    )


def quiet(seen, page: Path) -> None:
    """Nothing was refused by the policy, nothing failed, nothing left the folder of the page."""
    assert seen.errors == []
    assert all(url.startswith(page.parent.as_uri()) for url in seen.requests), seen.requests
    assert seen.page.evaluate("window.bad") is None


def test_summary_says_what_ran_and_what_is_wrong(runs, other, visit):
    seen = visit(other.page)
    summary = json.loads((runs[1] / "summary.json").read_text())
    main_text = seen.page.inner_text("main")
    assert "first answers" in main_text
    assert f"{summary['repair']['failed']:,}" in main_text
    assert "The teacher fails" in main_text
    assert "git checkout 0123456789abcdef" in main_text
    assert "ffr-train other/config.yaml" in main_text
    for family, row in summary["accuracy"]["by_family"].items():
        cells = seen.page.locator("table.accuracy tr", has_text=family).first.inner_text()
        assert f"{row['before']:.3f}" in cells
    quiet(seen, other.page)


def test_filters_agree_with_the_records(runs, other, visit):
    page = visit(other.page, "#/rollouts").page
    groups = records(runs[1])
    outcomes = [o for group in groups for o in group["outcomes"]]
    expect(page.locator("#count")).to_have_text(
        f"{len(outcomes)} rollouts in {len(groups)} of {len(groups)} groups"
    )
    leaked = [o for o in outcomes if o["diagnosis"] and o["diagnosis"]["no_patch"] == "leak"]
    page.click("[data-outcome=L]")
    expect(page.locator("#count")).to_contain_text(f"{len(leaked)} rollouts in")
    assert len(leaked) > 0
    page.click("text=Clear")
    page.fill("#filter-from", "3")
    page.fill("#filter-to", "4")
    expect(page.locator("#count")).to_contain_text(f"{2 * 4 * 4} rollouts in 8 of")
    page.select_option("#filter-family", "visible")
    wanted = [g for g in groups if 3 <= g["step"] <= 4 and g["family"] == "visible"]
    expect(page.locator("#count")).to_contain_text(f"in {len(wanted)} of")
    page.click("text=Clear")
    page.select_option("#filter-error", "spatial")
    shown = {o["diagnosis"]["patch_id"] for o in outcomes if o["diagnosis"]} - {None}
    assert 0 < int(page.inner_text("#count").split()[0]) < len(outcomes)
    assert shown
    page.click("text=Clear")
    page.fill("#search", "zoom")  # in tool calls only, which the quick search does not know
    expect(page.locator("#count")).to_have_text(re.compile("^0 rollouts"))
    page.check("#full")
    expect(page.locator("#count")).to_have_text(re.compile("^[1-9][0-9]* rollouts"))
    page.fill("#search", groups[0]["question_id"])
    own = sum(g["question_id"] == groups[0]["question_id"] for g in groups)
    expect(page.locator("#count")).to_contain_text(f"in {own} of")


def test_a_long_list_has_pages(other, visit):
    page = visit(other.page, "#/rollouts").page
    expect(page.locator("a.group")).to_have_count(40)
    page.keyboard.press("j")
    expect(page.locator("a.group")).to_have_count(8)
    expect(page.locator(".pages")).to_contain_text("page 2 of 2")
    page.keyboard.press("k")
    expect(page.locator(".pages")).to_contain_text("page 1 of 2")


def test_a_group_opens_as_first_try_patch_second_try(runs, other, visit):
    group, index = fixed_place(runs[1])
    outcome = group["outcomes"][index]
    seen = visit(other.page, f"#/rollouts/0/{group['group']}/{index}")
    page = seen.page
    columns = page.locator(".three > .column")
    expect(columns).to_have_count(3)
    first, patch, second = (columns.nth(i) for i in range(3))
    assert "✗ wrong" in first.inner_text()
    assert outcome["first"]["text"] == first.locator(".said").inner_text()
    assert "✓ right" in second.inner_text()
    row = next(r for r in group["rows"] if r["index"] == index and r["source"] == "second")
    rewards = second.locator(".reward").inner_text()
    for name, value in row["terms"].items():  # whatever terms there are
        assert name in rewards
        assert f"{value:+.3f}".rstrip("0").rstrip(".") in rewards or value == 0
    assert f"{abs(row['advantage']):.3f}".rstrip("0").rstrip(".") in rewards
    text = patch.inner_text()
    assert "Look from" in text
    assert "1. clip" in text
    assert "2. zoom" in text
    assert outcome["diagnosis"]["looks"][0]["arguments"] in text
    shown = sum(len(look["shown"]) for look in outcome["diagnosis"]["looks"])
    assert patch.locator(".looks .thumb img").count() == shown == 3
    assert page.evaluate("""async () => {
      const images = [...document.querySelectorAll("main img")];
      await Promise.all(images.map((image) => { image.loading = "eager"; return image.decode(); }));
      return images.every((image) => image.naturalWidth > 0);
    }""")
    quiet(seen, other.page)


def test_crops_lie_where_they_come_from(runs, other, visit):
    group, index = fixed_place(runs[1])
    page = visit(other.page, f"#/rollouts/0/{group['group']}/{index}").page
    box = json.loads(group["outcomes"][index]["diagnosis"]["looks"][1]["arguments"])["box"]
    whole = page.locator(".evidence.crop .picture").first.bounding_box()
    mark = page.locator(".evidence.crop .mark").first.bounding_box()
    assert mark["x"] - whole["x"] == pytest.approx(box[0] * whole["width"], abs=1.5)
    assert mark["y"] - whole["y"] == pytest.approx(box[1] * whole["height"], abs=1.5)
    assert mark["width"] == pytest.approx(max(6, (box[2] - box[0]) * whole["width"]), abs=1.5)


def test_moving_along_the_timeline(runs, other, visit):
    group, index = fixed_place(runs[1])
    page = visit(other.page, f"#/rollouts/0/{group['group']}/{index}").page
    now = page.locator("output.now")
    for _ in range(30):
        page.keyboard.press(",")
    stops = [float(now.inner_text().split()[0])]
    for _ in range(30):
        page.keyboard.press(".")
        at = float(now.inner_text().split()[0])
        if at == stops[-1]:
            break
        stops.append(at)
    assert stops == sorted(set(stops))
    assert len(stops) > 8  # the student's frames at least
    page.locator("button.tick.film").first.click()
    caption = page.locator(".stage figcaption").first
    expect(caption).to_contain_text(f"student's nearest frame: {now.inner_text()}")
    cited = page.locator(".column.first .time").first
    cited.click()
    wanted = float(re.sub("<[^>]*>", "", cited.inner_text()))
    assert float(now.inner_text().split()[0]) == pytest.approx(wanted, abs=0.01)
    scrub = page.locator("#scrub")
    scrub.focus()
    before = float(now.inner_text().split()[0])
    page.keyboard.press("ArrowRight")  # the slider keeps its own keys
    assert float(now.inner_text().split()[0]) == pytest.approx(before + 0.01, abs=0.02)
    expect(page.locator(".pick[aria-pressed=true]")).to_contain_text(str(index))


def test_keys_move_between_views_groups_and_rollouts(other, visit):
    page = visit(other.page).page
    page.keyboard.press("3")
    expect(page.locator("#search")).to_be_visible()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("3")  # typing is not a key of the page
    assert "#/rollouts" in page.url
    page.keyboard.press("Escape")
    page.fill("#search", "")
    page.locator("a.group").nth(1).click()
    expect(page.locator(".bar")).to_contain_text("2 of 48")
    page.keyboard.press("j")
    expect(page.locator(".bar")).to_contain_text("3 of 48")
    page.keyboard.press("k")
    expect(page.locator(".bar")).to_contain_text("2 of 48")
    picked = page.locator(".pick[aria-pressed=true]")
    was = picked.inner_text()
    page.keyboard.press("ArrowRight")
    assert picked.inner_text() != was
    page.keyboard.press("Escape")
    expect(page.locator("a.group")).to_have_count(40)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("next group")


def test_two_runs_share_charts(both, visit):
    seen = visit(both.page, "#/curves")
    page = seen.page
    chart = page.locator(".card", has_text="Accuracy in training").first
    expect(chart.locator(".u-series")).to_have_count(5)  # step, and two lines for each run
    assert "hostile · accuracy/first_pass" in chart.inner_text()
    assert "other · accuracy/first_pass" in chart.inner_text()
    drawn = """(card) => {
      const canvas = card.querySelector("canvas");
      return canvas.toDataURL();
    }"""
    before = chart.evaluate(drawn)
    page.locator("#smoothing").fill("0.9")
    expect(page.locator(".chart canvas").first).to_be_visible()
    chart = page.locator(".card", has_text="Accuracy in training").first
    assert chart.evaluate(drawn) != before
    page.uncheck("label:has-text('other') input")
    chart = page.locator(".card", has_text="Accuracy in training").first
    expect(chart.locator(".u-series")).to_have_count(3)
    page.select_option("#metric", "grpo: actor/ppo_kl")
    expect(page.locator("#charts .card").first).to_contain_text("grpo: actor/ppo_kl")
    quiet(seen, both.page)


def test_teacher_and_evaluation_views(runs, other, visit):
    summary = json.loads((runs[1] / "summary.json").read_text())
    page = visit(other.page, "#/teacher").page
    text = page.inner_text("main")
    assert f"timeout\t{summary['repair']['no_patch']['timeout']}" in text
    assert "clip" in text
    assert "tokens in" in text
    page.goto(other.page.as_uri() + "#/stages")
    headings = page.locator(".card h2").all_inner_texts()
    assert headings == ["accuracy", "tac", "vas"]
    assert "0.250" in page.locator(".card", has_text="vas").inner_text()


def test_evaluations_of_stages_stand_side_by_side(tmp_path, visit):
    for name, tac in (("base", 0.25), ("sft", 0.5), ("grpo", 0.75)):
        (tmp_path / name).mkdir()
        found = {"accuracy": {"micro": {"value": tac}}, "metrics": {"tac": {"value": tac}}}
        (tmp_path / name / "scores.json").write_text(json.dumps(found))
    folders = [tmp_path / name for name in ("base", "sft", "grpo")]
    seen = visit(build_report(folders, tmp_path / "e.html").page, "#/stages")
    card = seen.page.locator(".card", has=seen.page.locator("h2", has_text="tac"))
    assert card.locator(".grid thead").inner_text().split() == ["questions", "base", "sft", "grpo"]
    assert card.locator(".grid tbody tr").all_inner_texts() == ["all\t0.250\t0.500\t0.750"]
    expect(card.locator("canvas")).to_be_visible()
    assert seen.errors == []


@pytest.mark.parametrize("address", [
    "", "#/curves", "#/rollouts/0", "#/rollouts/0/s1q0/0", "#/rollouts/0/s1q0/3", "#/teacher",
    "#/stages", "#/rollouts/0/%3Cimg%20src=x%20onerror=window.bad=1%3E", "#/<img src=x>/0",
])  # fmt: skip
@pytest.mark.parametrize("form", ["file", "folder"])
def test_injected_markup_stays_text(form, address, both, folder, visit):
    page = both.page if form == "file" else folder.page
    seen = visit(page, address)
    expect(seen.page.locator("main > *").first).to_be_visible()
    seen.page.wait_for_timeout(50)
    assert seen.page.evaluate("document.querySelectorAll('img[src=x], img[onerror]').length") == 0
    quiet(seen, page)


def test_the_attack_is_really_shown(runs, both, visit):
    group, index = fixed_place(runs[0])
    page = visit(both.page, f"#/rollouts/0/{group['group']}/{index}").page
    for column in ("first", "patch", "second"):
        assert "<img src=x onerror=window.bad=1>" in page.inner_text(f".column.{column}")


def test_the_folder_form_loads_what_is_looked_at_only(folder, visit):
    assert folder.form == "folder"
    seen = visit(folder.page, "#/rollouts/1")
    expect(seen.page.locator("a.group").first).to_be_visible()
    assert [url.rsplit("/", 2)[-2:] for url in seen.requests[1:]] == [["chunks", "index-1.js"]]
    seen.page.locator("a.group").first.click()
    expect(seen.page.locator(".three")).to_be_visible()
    seen.page.wait_for_function("[...document.images].some((image) => image.naturalWidth > 0)")
    assert any(url.endswith(".webp") for url in seen.requests)
    quiet(seen, folder.page)


@pytest.mark.parametrize(("theme", "width"), [("dark", 360), ("light", 1280)])
def test_nothing_is_wider_than_the_screen(theme, width, other, runs, visit):
    group, index = fixed_place(runs[1])
    opened = f"#/rollouts/0/{group['group']}/{index}"
    for address in ("", "#/curves", "#/rollouts", opened, "#/teacher"):
        page = visit(other.page, address, width=width, theme=theme).page
        expect(page.locator("main > *").first).to_be_visible()
        page.wait_for_timeout(80)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(14, 17, 22)") == (theme == "dark")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_equal_runs_make_equal_reports(runs, tmp_path):
    made = [
        build_report([runs[1]], tmp_path / name, media="patches").page.read_bytes() for name in "ab"
    ]
    assert made[0] == made[1]


def test_the_command(runs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "r.html"
    words = ["ffr", "report", str(runs[1]), "--output", str(out), "--media", "none", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["images"] == 0
    assert said["rollouts"] == 12 * 16
    assert said["size"] == out.stat().st_size
    monkeypatch.setattr(sys, "argv", ["ffr", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "neither a run folder" in capsys.readouterr().err
