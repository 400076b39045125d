"""What people decide about patches, and that everything that reads a store heeds it."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ffr.data.question import Question
from ffr.patches.compact import compact_store
from ffr.patches.files import StoreError
from ffr.patches.gc import collect_garbage
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.review import CorruptReviewError, Mark
from ffr.patches.review_sheet import SheetRow, apply_sheet, read_sheet, sheet_row, write_sheet
from ffr.patches.shrink_store import shrink_store
from ffr.patches.stats import store_stats
from ffr.patches.store import PatchStore
from ffr.patches.transfer import export_patches, import_patches
from ffr.patches.verify import verify_store
from ffr.teacher.leakage.audit import audit_store


@pytest.fixture
def first(kit):
    return kit.key(0)


def patch_id(store: PatchStore, key: str) -> str:
    return store.stored(key).patch.patch_id


def reject(store: PatchStore, key: str, why: str = "gives the answer away") -> Mark:
    mark = Mark(patch_id=patch_id(store, key), verdict="reject", by="Ada", why=why)
    store.reviews.add(key, mark)
    return mark


def test_a_rejected_patch_is_a_failure_that_says_who_and_why(store, first):
    mark = reject(store, first)
    found = store.get(first)
    assert found.patch is None
    assert found.rejected
    assert found.failure.detail == f"rejected by Ada at {mark.at}: gives the answer away"
    assert (found.question_id, found.looks) == ("q0", ())
    assert (store.counters.hits, store.counters.rejected) == (1, 1)
    assert store.stored(first).patch is not None  # for those who look it over
    again = PatchStore(store.root)  # another process
    assert again.get(first).rejected
    assert not again.get(f"{1:064x}").rejected


def test_an_accepted_or_cleared_patch_is_served(store, first):
    pid = patch_id(store, first)
    store.reviews.add(first, Mark(patch_id=pid, verdict="accept", by="Ada"))
    assert store.get(first).patch is not None
    reject(store, first)
    assert store.get(first).patch is None
    store.reviews.add(first, Mark(patch_id=pid, verdict="clear", by="Grace", why="a slip"))
    assert store.get(first).patch is not None
    assert [m.verdict for m in store.reviews.marks(first)] == ["accept", "reject", "clear"]
    assert store.reviews.verdict(first, pid) is None


def test_the_history_of_a_request_is_bounded(store, first):
    for n in range(60):
        reject(store, first, why=str(n))
    assert [m.why for m in store.reviews.marks(first)] == [str(n) for n in range(10, 60)]


def test_a_rejected_patch_gives_way_to_another_one_and_never_to_itself(store, first, kit):
    bad = store.stored(first)
    reject(store, first)
    assert store.put(first, bad).rejected  # the same again
    late = StoredDiagnosis(failure=store.get(first).failure, attempts=1)
    assert store.put(first, late).rejected
    assert store.stored(first).patch == bad.patch
    other = kit.patch_record(store, 77, shades=(3,))
    assert store.put(first, other).patch == other.patch
    assert store.get(first).patch == other.patch
    assert store.put(first, bad).patch == other.patch  # now the first patch stays again


def test_a_patch_in_a_shard_can_be_rejected_and_replaced(store, first, kit):
    compact_store(store)
    assert not store.path(first).exists()
    reject(store, first)
    assert store.get(first).rejected
    other = kit.patch_record(store, 77, shades=(3,))
    store.put(first, other)
    assert store.get(first).patch == other.patch


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b'{"key": 1}'])
def test_a_damaged_mark_counts_as_a_rejection(store, first, damage):
    store.reviews.add(first, Mark(patch_id=patch_id(store, first), verdict="accept", by="Ada"))
    path = store.reviews.path(first)
    path.write_bytes(damage)
    with pytest.raises(CorruptReviewError):
        store.reviews.marks(first)
    assert "is damaged" in store.get(first).failure.detail
    report = verify_store(store, repair=True)
    assert [p.kind for p in report.problems] == ["corrupt_review"]
    assert path.exists()  # setting it aside would serve the patch again
    assert store_stats(store).reviews == {"damaged": 1, "unreviewed": 3}
    reject(store, first)  # marked again, all is well
    assert verify_store(store).problems == []


def test_a_changed_mark_is_noticed(store, first):
    reject(store, first)
    path = store.reviews.path(first)
    path.write_bytes(path.read_bytes().replace(b'"reject"', b'"accept"'))
    assert store.get(first).rejected
    other = store.reviews.path(f"{1:064x}")
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(store.reviews.path(first).read_bytes())  # of another request
    assert store.get(f"{1:064x}").rejected


def test_statistics_and_verification_count_marks(store, first, kit):
    reject(store, first)
    pid = patch_id(store, kit.key(1))
    store.reviews.add(kit.key(1), Mark(patch_id=pid, verdict="accept", by="Ada"))
    assert store_stats(store).reviews == {"accepted": 1, "rejected": 1, "unreviewed": 2}
    assert store_stats(store).patches == 4
    report = verify_store(store)
    assert (report.reviews, report.problems) == (2, [])


def test_compaction_leaves_rejected_patches_loose(store, first):
    reject(store, first)
    report = compact_store(store)
    assert (report.compacted, report.rejected, report.damaged) == (3, 1, 0)
    assert store.stored(first).patch is not None
    assert store.get(first).rejected


def test_an_export_says_that_there_is_no_patch_and_why(store, first, tmp_path, kit):
    reject(store, first)
    bad = store.stored(first).patch
    report = export_patches(store, tmp_path / "out")
    assert (report.patches, report.failures, report.rejected, report.damaged) == (3, 3, 1, 0)
    out = PatchStore(tmp_path / "out")
    assert out.get(first).rejected
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*.tar"))
    assert bad.guidance.encode() not in everything
    target = PatchStore(tmp_path / "target")
    import_patches(tmp_path / "out", target)
    assert target.get(first).rejected
    other = kit.patch_record(target, 5, shades=(1,))
    assert target.put(first, other).patch == other.patch


def test_an_import_does_not_bring_a_rejected_patch_back(make_store, first, tmp_path):
    source, target = make_store("source"), make_store("target")
    export_patches(source, tmp_path / "out")
    reject(target, first)
    import_patches(tmp_path / "out", target)
    assert target.get(first).rejected


def test_collecting_garbage_keeps_marks_and_what_they_are_about(store, first):
    reject(store, first)
    leftover = store.reviews.path(first).with_name(".x.json.host.1.abc.tmp")
    leftover.write_bytes(b"")
    report = collect_garbage(store, grace_s=0.0)
    assert report.files == {"temporary": 1}
    assert store.stored(first).patch is not None
    assert store.get(first).rejected


async def test_shrinking_copies_a_rejection_not_the_patch(store, first, tmp_path):
    reject(store, first)
    target = PatchStore(tmp_path / "small")
    report = await shrink_store(store, target, {}, lambda *_a: None)
    assert report.outcomes["failure"] == 3
    assert target.get(first).rejected
    assert target.stored(first).patch is None


def test_the_leak_audit_passes_over_what_is_not_served(store, first):
    reject(store, first)
    assert audit_store(store, {}).left_out == {"rejected": 1, "unknown_question": 3}


# -- sheets -----------------------------------------------------------------------------------

QUESTION = Question(
    id="q0", video="v.mp4", question="=HYPERLINK(1)", options=("a red one", "blue"),
    answer_type="choice", answer="B",
)  # fmt: skip


def row_of(store: PatchStore, key: str, **more) -> dict[str, str]:
    record = store.stored(key)
    return sheet_row(key, record, record.patch, mark=None, question=QUESTION, **more)


def test_a_sheet_shows_the_patch_and_hides_the_answer(store, first):
    row = row_of(store, first, rules=("letter",))
    assert row["question"] == "=HYPERLINK(1)"
    assert row["options"] == "a red one; blue"
    assert row["answer"] == ""
    assert row["guidance"] == "Look again, number 0."
    assert row["regions"] == "1.5 s [0.10, 0.10, 0.50, 0.50] left"
    assert row["frames"] == "1 s frame 0; 2 s frame 1"
    assert (row["tools"], row["leak_rules"], row["teacher"]) == ("clip 2", "letter", "m")
    assert row_of(store, first, answer=True)["answer"] == "blue"


@pytest.mark.parametrize("name", ["sheet.csv", "sheet.jsonl"])
def test_a_sheet_goes_out_and_comes_back(store, first, kit, tmp_path, name):
    path = tmp_path / name
    rows = [row_of(store, kit.key(n)) for n in range(3)]
    assert write_sheet(path, rows) == 3
    rows[0] |= {"verdict": "reject", "why": "-5 °C, \"quoted\"\nsecond line", "by": "Ada"}
    rows[1] |= {"verdict": "Accepted"}
    write_sheet(path, rows)
    report = apply_sheet(store, read_sheet(path), by="Grace")
    assert (report.marked, report.blank, report.stale) == ({"reject": 1, "accept": 1}, 1, [])
    (mark,) = store.reviews.marks(first)
    assert (mark.by, mark.why) == ("Ada", rows[0]["why"])
    assert store.reviews.marks(kit.key(1))[0].by == "Grace"
    assert store.get(first).rejected
    again = apply_sheet(store, read_sheet(path), by="Grace")
    assert (again.marked, again.unchanged) == ({}, 2)


def test_a_spreadsheet_runs_nothing_of_a_sheet(store, first, tmp_path):
    path = tmp_path / "s.csv"
    write_sheet(path, [row_of(store, first)])
    text = path.read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["question"] == "'=HYPERLINK(1)"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0\r")


@given(why=st.text(LETTERS, max_size=40))
def test_any_reason_survives_both_forms(tmp_path_factory, why):
    folder = tmp_path_factory.mktemp("s")
    raw = {"key": "a" * 64, "patch_id": "b" * 64, "verdict": "reject", "by": "Ada", "why": why}
    for name in ("s.csv", "s.jsonl"):
        write_sheet(folder / name, [raw])
        assert [row.why for row in read_sheet(folder / name)] == [why]


def test_a_mark_about_another_patch_is_not_applied(store, first, kit):
    stale = SheetRow(key=first, patch_id="0" * 64, verdict="reject")
    unknown = SheetRow(key=kit.key(99), patch_id="0" * 64, verdict="reject")
    good = SheetRow(key=kit.key(1), patch_id=patch_id(store, kit.key(1)), verdict="reject")
    report = apply_sheet(store, [stale, unknown, good], by="Ada", dry_run=True)
    assert list(store.reviews.keys()) == []
    report = apply_sheet(store, [stale, unknown, good], by="Ada")
    assert report.stale == [first, kit.key(99)]
    assert list(store.reviews.keys()) == [kit.key(1)]


def test_nothing_is_written_when_a_row_is_wrong(store, first, kit):
    rows = [SheetRow(key=kit.key(n), patch_id=patch_id(store, kit.key(n)), verdict="reject")
            for n in (0, 1)]  # fmt: skip
    with pytest.raises(StoreError, match="nobody is named"):
        apply_sheet(store, rows)
    with pytest.raises(StoreError, match="marked reject and accept in one sheet"):
        apply_sheet(store, [*rows, rows[0].model_copy(update={"verdict": "accept"})], by="Ada")
    assert list(store.reviews.keys()) == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("s.csv", "a,b\n1,2\n", "no column key, patch_id, verdict"),
        ("s.jsonl", "{oops\n", "line 1 is not JSON"),
        ("s.jsonl", "\n[1]\n", "line 2 is no JSON object"),
        ("s.jsonl", '{"key": "x", "patch_id": "y"}', "line 1: key"),
        ("s.jsonl", '{"verdict": "maybe"}', "verdict='maybe' is not allowed"),
        ("s.jsonl", '{"key": "../../../etc/passwd", "patch_id": "b", "verdict": "reject"}', "key"),
    ],
)
def test_a_wrong_sheet_is_named_with_its_line(tmp_path, name, text, problem):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(StoreError, match=problem):
        read_sheet(path)


def test_a_sheet_that_is_no_text_or_not_there(tmp_path):
    path = tmp_path / "s.csv"
    path.write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(StoreError, match="not UTF-8"):
        read_sheet(path)
    with pytest.raises(StoreError, match="cannot read"):
        read_sheet(tmp_path / "none.csv")


def test_a_mark_needs_a_name_and_a_patch():
    with pytest.raises(ValidationError):
        Mark(patch_id="a" * 64, verdict="reject", by="")
    with pytest.raises(ValidationError):
        Mark(patch_id="nonsense", verdict="reject", by="Ada")


def test_an_old_store_without_reviews_is_read_as_before(store, first):
    assert not store.reviews.root.exists()
    assert isinstance(store.get(first).patch, EvidencePatch)
    assert store_stats(store).reviews == {"unreviewed": 4}
    assert json.loads(json.dumps(verify_store(store).reviews)) == 0
