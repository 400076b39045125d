"""`ffr report STORE` in a real headless Chromium, from looking a patch over to not serving it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from made_run import make_run
from playwright.sync_api import expect

from ffr.cli.main import main
from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.review import Mark
from ffr.patches.store import PatchStore
from ffr.patches.walk import all_records
from ffr.report.store_build import BuiltStoreReport, build_store_report

HOSTILE = "</script><img src=x onerror=window.bad=1><b>\u2028 ${1}"
LEAKY, FAILED = "a" * 64, "b" * 64


def patches(store: PatchStore) -> dict[str, EvidencePatch]:
    return {key: record.patch for key, record in all_records(store) if record and record.patch}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run whose store has one leak, one failure, one accepted and one rejected patch."""
    folder = tmp_path_factory.mktemp("audit") / "run"
    make_run(folder, steps=1, questions=6)
    store = PatchStore(folder / "patches")
    question = asked(folder)[0]
    leak = EvidencePatch(error_types=("misconception",), guidance=f"It is {question.answer_text}.")
    store.put(LEAKY, StoredDiagnosis(patch=leak, teacher_model="n", question_id=question.id))
    last = store.stored(sorted(patches(store))[11])
    for number in range(30):  # a list of more than one page
        store.put(f"c{number:063x}", last)
    refused = StoredDiagnosis(failure=NoPatch(reason="timeout"), attempts=1, question_id="q")
    store.put(FAILED, refused)
    first, second = sorted(patches(store))[:2]
    for key, verdict in ((first, "accept"), (second, "reject")):
        mark = Mark(patch_id=patches(store)[key].patch_id, verdict=verdict, by="Ada", why=HOSTILE)
        store.reviews.add(key, mark)
    return folder


def asked(run: Path) -> list[Question]:
    lines = (run / "data" / "train.jsonl").read_text().split("\n")
    return [Question.model_validate_json(line) for line in lines if line]


@pytest.fixture(scope="module")
def made(run, tmp_path_factory) -> BuiltStoreReport:
    return build_store_report(run / "patches", tmp_path_factory.mktemp("page") / "review.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> dict[str, BuiltStoreReport]:
    folder = tmp_path_factory.mktemp("hostile")
    make_run(folder / "run", steps=1, questions=3, hostile=HOSTILE)
    store = folder / "run" / "patches"
    return {
        "file": build_store_report(store, folder / "page.html", form="file"),
        "folder": build_store_report(store, folder / "page", form="folder"),
    }


def quiet(seen, page: Path) -> None:
    """Nothing was refused by the policy, nothing failed, nothing left the folder of the page."""
    assert seen.errors == []
    assert all(url.startswith(page.parent.as_uri()) for url in seen.requests), seen.requests
    assert seen.page.evaluate("window.bad") is None


IMAGES = """async () => {
  const images = [...document.querySelectorAll("main img")];
  await Promise.all(images.map((image) => { image.loading = "eager"; return image.decode(); }));
  return images.length > 0 && images.every((image) => image.naturalWidth > 0);
}"""


def test_the_store_in_numbers(run, made, visit):
    store = PatchStore(run / "patches")
    total = len(patches(store))
    assert made.patches == total == 43
    seen = visit(made.page)
    tiles = seen.page.locator(".number").all_inner_texts()
    words = [" ".join(tile.split()) for tile in tiles]
    assert words == ["43 patches", "41 unreviewed", "1 accepted", "1 rejected",
                     "1 of 43 refused by the leak gate now"]  # fmt: skip
    text = seen.page.inner_text("main")
    assert "timeout" in text
    assert "it contains the text of the answer" in text
    quiet(seen, made.page)


def test_filters_and_pages(run, made, visit):
    page = visit(made.page, "#/patches").page
    count = page.locator("#count")
    expect(count).to_have_text("43 of 43 patches")
    expect(page.locator("a.group")).to_have_count(40)
    page.keyboard.press("j")
    expect(page.locator("a.group")).to_have_count(3)
    page.keyboard.press("k")
    expect(page.locator("a.group")).to_have_count(40)
    for name, value, number in (("state", "rejected", 1), ("state", "accepted", 1),
                                ("leak", "y", 1), ("error", "spatial", 6),
                                ("teacher", "n", 1)):  # fmt: skip
        page.select_option(f"[data-filter={name}]", value)
        expect(count).to_have_text(f"{number} of 43 patches")
        page.select_option(f"[data-filter={name}]", "")
    page.fill("#search", LEAKY[:12])
    expect(count).to_have_text("1 of 43 patches")
    page.fill("#search", asked(run)[0].id)
    expect(count).to_have_text("3 of 43 patches")


def test_a_patch_is_judged_without_the_answer_until_it_is_asked_for(run, made, visit):
    key = sorted(patches(PatchStore(run / "patches")))[4]
    seen = visit(made.page, f"#/patches/{key}")
    page = seen.page
    question = next(q for q in asked(run) if q.id in page.inner_text(".asked"))
    assert question.question in page.inner_text(".asked")
    assert page.locator("#answer").count() == 0
    assert "evidence is at" not in page.inner_text(".timeline")
    assert page.locator(".mark.gold").count() == 0
    page.keyboard.press("s")
    expect(page.locator("#answer")).to_contain_text(question.answer_text)
    expect(page.locator(".timeline")).to_contain_text("evidence is at")
    text = page.inner_text("main")
    assert "1. clip" in text
    assert "2. zoom" in text
    assert "The leak gate lets it pass." in text
    assert key in text
    assert page.evaluate(IMAGES)
    quiet(seen, made.page)


def test_crops_lie_in_their_place_and_times_move_the_timeline(run, made, visit):
    key = sorted(patches(PatchStore(run / "patches")))[4]
    patch = patches(PatchStore(run / "patches"))[key]
    page = visit(made.page, f"#/patches/{key}").page
    box = patch.frames[0].box
    whole = page.locator(".evidence.crop .picture").first.bounding_box()
    mark = page.locator(".evidence.crop .mark").first.bounding_box()
    assert mark["x"] - whole["x"] == pytest.approx(box[0] * whole["width"], abs=1.5)
    assert mark["y"] - whole["y"] == pytest.approx(box[1] * whole["height"], abs=1.5)
    now = page.locator("output.now")
    page.locator(".said .time").first.click()
    at = float(now.inner_text().split()[0])
    page.keyboard.press(".")
    assert float(now.inner_text().split()[0]) > at
    page.keyboard.press(",")
    assert float(now.inner_text().split()[0]) == at


def test_a_leak_is_named_with_its_rule(made, visit):
    page = visit(made.page, f"#/patches/{LEAKY}").page
    expect(page.locator("#leaks")).to_contain_text("it contains the text of the answer")


def test_earlier_marks_are_told_with_who_when_and_why(run, made, visit):
    second = sorted(patches(PatchStore(run / "patches")))[1]
    seen = visit(made.page, f"#/patches/{second}")
    history = seen.page.locator(".history").inner_text()
    assert history.startswith("rejected by Ada, 20")
    assert "<img src=x onerror=window.bad=1>" in history
    assert seen.page.locator(".badge").first.inner_text() == "rejected"
    quiet(seen, made.page)


def test_from_the_page_to_the_store_and_out_of_training(run, visit, tmp_path, monkeypatch, capsys):
    root = tmp_path / "patches"
    shutil.copytree(run / "patches", root)
    world = run.parent / "world"
    built = build_store_report(
        root, tmp_path / "review.html", questions=[run / "data" / "train.jsonl"], media_root=world
    )
    store = PatchStore(root)
    keys = sorted(patches(store))
    seen = visit(built.page, "#/patches")
    page = seen.page
    page.select_option("[data-filter=state]", "unreviewed")
    page.locator(f"a[data-key='{keys[2]}']").click()
    expect(page.locator("#place")).to_have_text("1 of 41")
    page.keyboard.press("a")
    expect(page.locator(".badge").first).to_have_text("accepted")
    page.keyboard.press("j")
    expect(page.locator("#place")).to_have_text("2 of 41")
    page.fill("#why", "blurred, \"dark\"")
    page.click("[data-verdict=reject]")
    expect(page.locator(".badge").first).to_have_text("rejected")
    page.keyboard.press("j")
    expect(page.locator("#place")).to_have_text("3 of 41")
    page.keyboard.press("r")
    expect(page.locator(".badge").first).to_have_text("rejected")
    page.click(".undo")
    expect(page.locator(".badge").first).to_have_text("unreviewed")
    page.keyboard.press("Escape")
    page.select_option("[data-filter=state]", "rejected")
    expect(page.locator("#count")).to_have_text("2 of 43 patches")
    page.reload()  # the browser remembers
    page.keyboard.press("3")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert page.locator("#download").is_disabled()  # nobody is named yet
    page.fill("#by", "Grace")
    with page.expect_download() as download:
        page.click("#download")
    sheet = tmp_path / "review.jsonl"
    download.value.save_as(sheet)
    assert page.inner_text("#command") == f"ffr cache review import {root} review.jsonl"
    quiet(seen, built.page)

    monkeypatch.setattr(
        sys, "argv", ["ffr", "cache", "review", "import", str(root), str(sheet), "--json"]
    )
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out)["marked"] == {"accept": 1, "reject": 1}
    assert store.get(keys[2]).patch is not None
    found = store.get(keys[3])
    assert found.rejected
    assert found.failure.detail.startswith("rejected by Grace at ")
    assert found.failure.detail.endswith('blurred, "dark"')


def test_a_key_pressed_too_early_decides_about_no_patch(made, run, visit):
    keys = sorted(patches(PatchStore(run / "patches")))
    page = visit(made.page, f"#/patches/{keys[6]}").page
    expect(page.locator("#place")).to_be_visible()
    for _ in range(3):
        page.evaluate("""() => {
          const press = (key) => document.body.dispatchEvent(
            new KeyboardEvent("keydown", { key, bubbles: true }));
          press("j");
          press("r");  // before anything of the next patch is there
        }""")
    expect(page.locator("#place")).to_have_text("10 of 43")
    expect(page.locator(".badge").first).to_have_text("unreviewed")
    page.keyboard.press("r")
    expect(page.locator(".badge").first).to_have_text("rejected")
    page.keyboard.press("3")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_mark_about_an_earlier_patch_is_not_handed_over(made, run, visit):
    key = sorted(patches(PatchStore(run / "patches")))[5]
    page = visit(made.page, f"#/patches/{key}").page
    expect(page.locator("#place")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator(".badge").first).to_have_text("rejected")
    page.evaluate("""() => {
      const name = Object.keys(localStorage).find((key) => key.startsWith("ffr-review-"));
      const kept = JSON.parse(localStorage.getItem(name));
      Object.values(kept.marks).forEach((mark) => { mark.patch_id = "0".repeat(64); });
      localStorage.setItem(name, JSON.stringify(kept));
    }""")
    page.reload()
    expect(page.locator(".badge").first).to_have_text("unreviewed")
    page.keyboard.press("3")
    expect(page.locator("main")).to_contain_text("Marks made in this page: 0.")


@pytest.mark.parametrize("form", ["file", "folder"])
def test_hostile_texts_stay_texts_in_every_view(form, hostile, visit):
    page_file = hostile[form].page
    seen = visit(page_file)
    page = seen.page
    expect(page.locator(".number").first).to_be_visible()
    page.keyboard.press("2")
    page.locator("a.group").first.click()
    expect(page.locator(".said")).to_contain_text("onerror=window.bad=1")
    assert "<b>" in page.inner_text(".question")
    assert page.locator("main b:empty").count() == 0
    page.keyboard.press("s")
    page.keyboard.press("r")
    page.keyboard.press("3")
    expect(page.locator("tbody tr")).to_have_count(1)
    quiet(seen, page_file)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_nothing_sticks_out_on_a_phone_or_a_laptop(made, visit, width, theme):
    page = visit(made.page, "", width=width, theme=theme).page
    for place in ("#/store", "#/patches", f"#/patches/{LEAKY}", "#/sheet"):
        page.goto(made.page.absolute().as_uri() + place)
        page.wait_for_selector("main > *")
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, place


def test_a_store_alone_is_shown_without_questions_and_videos(run, tmp_path, visit):
    root = tmp_path / "alone"
    shutil.copytree(run / "patches", root)
    built = build_store_report(root, tmp_path / "r.html")
    assert (built.patches, built.without_pictures) == (43, {})
    seen = visit(built.page)
    expect(seen.page.locator(".notice")).to_contain_text("43 patches without their question")
    key = sorted(patches(PatchStore(root)))[3]
    seen.page.goto(built.page.absolute().as_uri() + f"#/patches/{key}")
    expect(seen.page.locator("main")).to_contain_text("cannot judge it without its question")
    assert seen.page.evaluate(IMAGES)  # the patch's own
    quiet(seen, built.page)


@pytest.fixture
def ffr(monkeypatch, capsys):
    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ffr", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


def test_the_command(run, tmp_path, ffr, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = ffr("report", run / "patches", "--json", "--media", "none")
    found = json.loads(out)
    assert (code, found["patches"], found["images"], found["form"]) == (0, 43, 0, "file")
    assert Path(found["page"]).is_file()
    code, out, _ = ffr("report", run / "patches", "--form", "folder", "--media", "patches")
    assert (code, "43 patches" in out) == (0, True)
    assert (tmp_path / "review" / "index.html").is_file()


def test_mistakes_of_the_command_are_one_line(run, tmp_path, ffr):
    train = run / "data" / "train.jsonl"
    for words, problem in (
        ((run, "--questions", train), "is for a patch store"),
        ((run / "patches", "--questions", tmp_path / "none.jsonl"), "none.jsonl"),
        ((run / "patches", "--output", tmp_path), "is a folder"),
    ):
        code, _, err = ffr("report", *words)
        assert code == 2
        assert problem in err
        assert len(err.splitlines()) == 1
