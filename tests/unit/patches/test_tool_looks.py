"""The record of a tool call takes whatever a model wrote, within its limits."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ffr.geometry import RawBox
from ffr.patches.looks import ToolLook
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis, dump_record, load_record

KEY = "a" * 64
PATCH = EvidencePatch(error_types=("temporal",), guidance="Look at 2 s.")


@dataclass
class Shown:
    t_s: float
    box: RawBox | None = None


# Half pairs too: JSON can bring them in.
anything = st.text(st.characters(codec=None), max_size=1500)


@given(name=anything, arguments=anything, message=anything)
def test_any_text_can_be_kept_and_read_back(name: str, arguments: str, message: str) -> None:
    pictures = [Shown(1.5), Shown(2.0, (0.1, 0.2, 0.3, 0.4))] * 40
    look = ToolLook.of(name, arguments, ok=False, message=message, pictures=pictures)
    assert len(look.shown) == 64
    assert ToolLook.model_validate_json(look.model_dump_json()) == look
    stored = StoredDiagnosis(patch=PATCH, looks=(look,))
    assert load_record(KEY, dump_record(KEY, stored)) == stored


def test_what_is_too_long_is_cut() -> None:
    look = ToolLook.of("n" * 500, "a" * 5000, ok=True, message="m" * 5000, pictures=[])
    assert (len(look.name), len(look.arguments), len(look.message)) == (80, 1000, 400)


def test_records_without_looks_keep_the_bytes_they_had() -> None:
    assert b"looks" not in dump_record(KEY, StoredDiagnosis(patch=PATCH))
