"""The leak gate on labelled patches: direct, partial, hidden, eliminating; and harmless ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.teacher.leakage import RULES, check_patch


def choice(question: str, options: tuple[str, ...], answer: str) -> Question:
    return Question(
        id="q",
        video="v.mp4",
        question=question,
        options=options,
        answer_type="choice",
        answer=answer,
    )


def open_(question: str, answer: str, kind: str = "text") -> Question:
    return Question(
        id="q",
        video="v.mp4",
        question=question,
        answer_type=kind,  # type: ignore[arg-type]
        answer=answer,
    )


SHAPE = choice(
    "Which shape appears at 3.0 seconds?", ("circle", "square", "triangle", "cross"), "B"
)
OBJECT = choice("Which object was put down?", ("clothes", "book", "shoe", "dish"), "B")
COUNT = choice("How many cars pass the gate?", ("3", "4", "5", "7"), "C")
ACTION = choice(
    "What does the man do after sitting down?",
    (
        "He opens the red umbrella",
        "He picks up the phone",
        "He ties his left shoe",
        "He drinks from the bottle",
    ),
    "B",
)
DIRECTION = choice("Which way does the car turn?", ("left", "right"), "A")
COLOUR = open_("What colour is the bag?", "red")
THING = open_("What appears at 3.0 seconds?", "red circle")
NUMBER = open_("How many people enter the room?", "5", "number")
BIG = open_("How many birds sit on the wire?", "21", "number")
LENGTH = open_("How far is the chair from the door, in metres?", "2.4", "regression")
WHEN = open_("At what second does the light turn on?", "12.5", "number")
HOW_LONG = open_("How long does the door stay open, in seconds?", "6", "number")
SIGN = open_("What is written on the sign?", "EXIT 24", "ocr")
YES = open_("Does the ball enter the box?", "yes")
NO = open_("Does the ball enter the box?", "no")
EITHER = open_("Is the light red or green at the end?", "green")
CHINESE = open_("包是什么颜色?", "红色")
LONG = open_(
    "Why does the woman leave?",
    "She notices the rain coming through the broken window",
    "free_form",
)

LEAKS: list[tuple[Question, str, str]] = [
    # the letter
    (SHAPE, "Re-check the frame; option B fits best.", "gold_letter"),
    (SHAPE, "The evidence supports (B).", "gold_letter"),
    (SHAPE, "B", "gold_letter"),
    (SHAPE, "Look again and choose b.", "gold_letter"),
    (SHAPE, "It is B that matches the outline.", "gold_letter"),
    (SHAPE, "Consider options B and D only.", "gold_letter"),
    (SHAPE, "The second option matches.", "gold_letter"),
    (SHAPE, "Option 2 matches the outline.", "gold_letter"),
    (DIRECTION, "A is correct if you watch the wheels.", "gold_letter"),
    (DIRECTION, "Watch the wheels: they agree with [A].", "gold_letter"),
    (SHAPE, "Compare the outline with Ｂ.", "gold_letter"),
    # the text
    (SHAPE, "A square flashes there.", "gold_text"),
    (SHAPE, "Notice the squares near the edge.", "gold_text"),
    (SHAPE, "It is not a triangle, circle or cross but a square.", "gold_text"),
    (SHAPE, "Think of a s-q-u-a-r-e.", "gold_text"),
    (SHAPE, "Think of a squ\u200bare.", "gold_text"),
    (OBJECT, "Watch the hand release the book.", "gold_text"),
    (ACTION, "See how he picks up a phone.", "gold_text"),
    (COLOUR, "Look at the red bag near the door.", "gold_text"),
    (COLOUR, "The bag is RED.", "gold_text"),
    (COLOUR, "Focus on the réd one.", "gold_text"),
    (DIRECTION, "The car goes left here.", "gold_text"),
    (SIGN, "Read the sign: exit 24.", "gold_text"),
    (SIGN, "The sign reads EXIT twenty-four.", "gold_text"),
    (EITHER, "At the end the green light is on.", "gold_text"),
    (YES, "Yes, follow the ball to the end.", "gold_text"),
    (NO, "No: the ball bounces off.", "gold_text"),
    (CHINESE, "看门边的红色包。", "gold_text"),
    # the number
    (COUNT, "Count the 5 cars again.", "gold_number"),
    (COUNT, "Five cars pass the gate.", "gold_number"),
    (COUNT, "There are ５ vehicles.", "gold_number"),
    (COUNT, "There are ٥ vehicles.", "gold_number"),
    (COUNT, "There are ५ vehicles.", "gold_number"),
    (COUNT, "Vehicles: 五", "gold_number"),
    (COUNT, "More than 4 vehicles pass.", "gold_number"),
    (COUNT, "Fewer than six vehicles pass.", "gold_number"),
    (COUNT, "First 2 vehicles, then 3 more from the other side: 2 + 3.", "gold_number"),
    (NUMBER, "One more than 4 people come in.", "gold_number"),
    (NUMBER, "The total goes from 2 to 5.", "gold_number"),
    (NUMBER, "In the frame 5 people stand by the door.", "gold_number"),
    (NUMBER, "You will see a group of V, sorry, 5.", "gold_number"),
    (BIG, "There are twenty-one of them.", "gold_number"),
    (BIG, "Count to twenty one slowly.", "gold_number"),
    (open_("How many eggs are left?", "12", "number"), "A dozen remain.", "gold_number"),
    (open_("How often does he jump?", "2", "number"), "He jumps twice.", "gold_number"),
    (LENGTH, "The gap is about 2.4 metres.", "gold_number"),
    (LENGTH, "The gap measures nearly 2.5 metres.", "gold_number"),
    # the time
    (WHEN, "The light turns on at 12.5 seconds.", "gold_time"),
    (WHEN, "Pause at 0:12.5 and look.", "gold_time"),
    (HOW_LONG, "It stays open for six seconds.", "gold_time"),
    (HOW_LONG, "It opens at 2.0 s and closes at 8.0 s: from 2.0 to 8.0.", "gold_time"),
    # phrases
    (SHAPE, "The correct answer is shown by its outline.", "answer_phrase"),
    (SHAPE, "Answer: look at the corners.", "answer_phrase"),
    (OBJECT, "You should have chosen what the hand holds.", "answer_phrase"),
    (OBJECT, "The answer is what people read.", "answer_phrase"),
    (OBJECT, "<answer>something to read</answer>", "answer_phrase"),
    # elimination
    (SHAPE, "It is not a circle, nor a triangle, nor a cross.", "elimination"),
    (SHAPE, "Rule out options A, C and D.", "elimination"),
    (SHAPE, "There is no circle. The outline isn't a cross.", "elimination"),
    (DIRECTION, "It does not turn right.", "elimination"),
    (DIRECTION, "Consider the other option.", "elimination"),
    (COUNT, "It is neither 3 nor 4, and certainly not 7.", "elimination"),
    (ACTION, "He does not open, tie or drink anything.", "elimination"),
    # partial
    (ACTION, "Something lies next to the phone.", "partial_text"),
    (ACTION, "Watch his hand pick something up while he is seated.", "partial_text"),
    (THING, "Something round like a circle flashes.", "partial_text"),
    (THING, "Something red flashes.", "partial_text"),
    (LONG, "Rain is coming through; watch the broken pane.", "partial_text"),
    # spelling
    (COLOUR, "Its name starts with the letter R.", "spelling_hint"),
    (COLOUR, "The colour rhymes with bed.", "spelling_hint"),
    (COLOUR, "It is a three-letter word.", "spelling_hint"),
]

HARMLESS: list[tuple[Question, str]] = [
    (SHAPE, "Look at the whole frame from 2.0 to 4.0 seconds."),
    (SHAPE, "Look at the marked region from 2.0 to 4.0 seconds."),
    (SHAPE, "A brief event happens between two of your frames; look closely around 3.1 s."),
    (SHAPE, "Is it a circle, a square, a triangle or a cross? Compare the corners."),
    (SHAPE, "Decide among options A, B, C and D only after the moment has passed."),
    (SHAPE, "The answer is visible in the window 2.8-3.2 s."),
    (SHAPE, "It is easy to see a circle too early; wait for 3 s."),
    (SHAPE, "A person would miss this at a glance: count the corners."),
    (OBJECT, "Track the hands between frames 13 and 15, when the hand releases the object."),
    (OBJECT, "Focus on the moment of placement, not on what is visible at the start."),
    (OBJECT, "The item on the table is not what he puts down; follow his right arm."),
    (COUNT, "Recount in the lower half, frame by frame, from 0:05 to 0:09."),
    (COUNT, "Look at 5.0 seconds again: something is hidden behind the truck."),
    (COUNT, "Between 3 and 5 seconds one of the vehicles is hidden; recount."),
    (COUNT, "Check frames 3, 5 and 7 for vehicles that leave and come back."),
    (COUNT, "Zoom into region (0.5, 0.5, 0.7, 0.9) at t=5."),
    (COUNT, "Zoom in 5x near the gate."),
    (COUNT, "Compare the three marked regions with each other, one by one."),
    (COUNT, "Every single vehicle counts only once it has passed."),
    (NUMBER, "Look at five seconds and at 7.5 seconds; the 5th frame is blurred."),
    (NUMBER, "People are hidden behind the pillar at 5 s; count after the camera moves."),
    (NUMBER, "The two attached crops show the door; start with image 5."),
    (BIG, "Some overlap at the far end; use the crop at 21.0 s."),
    (open_("How many dogs bark?", "1", "number"), "At one point they overlap; one by one, check."),
    (open_("How many dogs bark?", "1", "number"), "Once the gate opens, look at the one on top."),
    (LENGTH, "Use the height of the door as a ruler; see the frame at 2.4 s."),
    (ACTION, "Track the man from 6.0 to 8.0 seconds and watch both hands."),
    (ACTION, "You described what happens before he sits; look at the time after 6 s."),
    (DIRECTION, "Watch the wheels right before the crossing at 4 s."),
    (COLOUR, "Re-examine the bag at 4.2 s in better light."),
    (COLOUR, "Look again when the object is close to the camera."),
    (THING, "Look at the marked region from 2.0 to 4.0 seconds."),
    (WHEN, "Compare the room in the frames at 10.0, 12.0 and 15.0 seconds."),
    (WHEN, "Watch the ceiling in the second half."),
    (HOW_LONG, "Note when the door starts to move and when it stops."),
    (SIGN, "Zoom into the sign above the door; the frame at 24.0 s is sharpest."),
    (YES, "Follow the ball between 3 and 5 seconds; does it touch the rim?"),
    (NO, "There is no need to watch the start; follow the ball at the end."),
    (EITHER, "Look at the light in the last second."),
    (CHINESE, "请再看第 3 秒的包。"),
    (LONG, "Look at what she sees just before she gets up, from 14 to 17 s."),
    (LONG, "The clip starts with a wide shot; the reason shows in the background."),
]


def guidance(text: str) -> EvidencePatch:
    return EvidencePatch(error_types=("temporal",), guidance=text)


@pytest.mark.parametrize(("question", "text", "rule"), LEAKS, ids=lambda v: str(v)[:40])
def test_leaks_are_refused(question: Question, text: str, rule: str) -> None:
    verdict = check_patch(question, guidance(text), "I think it is something else.")
    assert not verdict.passed
    assert rule in verdict.rules


@pytest.mark.parametrize(("question", "text"), HARMLESS, ids=lambda v: str(v)[:40])
def test_harmless_guidance_passes(question: Question, text: str) -> None:
    assert check_patch(question, guidance(text), "I think it is something else.").rules == ()


def hidden(field: str, text: str) -> EvidencePatch:
    sha = "0" * 64
    fields = {
        "guidance": {"guidance": text},
        "marker": {"temporal_markers": ("at 3.1 s", text)},
        "desc": {"spatial_regions": (SpatialRegion(t_s=3.0, desc=text),)},
        "label": {"frames": (PatchFrame(t_s=3.0, label=text, image_sha256=sha),)},
    }
    base = {"error_types": ("temporal",), "guidance": "Look again."}
    return EvidencePatch.model_validate({**base, **fields[field]})


@pytest.mark.parametrize("field", ["guidance", "marker", "desc", "label"])
@pytest.mark.parametrize("text", ["a square", "B", "not a circle, triangle or cross"])
def test_every_field_is_checked(field: str, text: str) -> None:
    assert not check_patch(SHAPE, hidden(field, text), "").passed
    assert check_patch(SHAPE, hidden(field, "near the edge"), "").passed


def test_elimination_spread_over_fields() -> None:
    patch = EvidencePatch(
        error_types=("spatial",),
        guidance="It is no circle.",
        temporal_markers=("not a triangle at 3 s",),
    )
    assert check_patch(SHAPE, patch, "").rules == ("elimination",)
    only_one = EvidencePatch(error_types=("spatial",), guidance="It is no circle.")
    assert check_patch(SHAPE, only_one, "").passed


def test_words_spread_over_fields() -> None:
    patch = EvidencePatch(
        error_types=("spatial",),
        guidance="The rain matters.",
        temporal_markers=("something is broken", "coming through"),
    )
    assert check_patch(LONG, patch, "").rules == ("partial_text",)


def test_words_the_failed_response_used_count_only_against_open_answers() -> None:
    patch = guidance("The rain is coming through; check why.")
    assert not check_patch(LONG, guidance("Broken window, rain coming through."), "").passed
    known = "She leaves because rain is coming through the roof, she notices it."
    assert check_patch(LONG, patch, known).passed
    quoting = "The options are circle, square, triangle, cross. I pick circle."
    assert not check_patch(SHAPE, guidance("It looks like a square."), quoting).passed


def test_text_of_the_stem_is_no_leak() -> None:
    question = open_("Which of the 5 red cars stops first?", "red cars number two")
    assert check_patch(question, guidance("Watch the 5 red cars."), "").passed
    counted = open_("Of the 5 boxes, how many are full?", "5", "number")
    assert check_patch(counted, guidance("Look into each of the 5 boxes."), "").passed


@pytest.mark.parametrize(
    ("times", "passed"),
    [((12.5,), False), ((12.4, 12.6), False), ((10.0, 12.5, 15.0), True), ((), True)],
)
def test_times_that_state_a_gold_time(times: tuple[float, ...], passed: bool) -> None:
    patch = EvidencePatch(
        error_types=("temporal",), guidance="Watch the ceiling.", key_times_s=times
    )
    assert check_patch(WHEN, patch, "").passed is passed
    frames = tuple(PatchFrame(t_s=t, image_sha256="0" * 64) for t in times)
    shown = EvidencePatch(error_types=("temporal",), guidance="Watch the ceiling.", frames=frames)
    assert check_patch(WHEN, shown, "").passed is passed


def test_times_are_free_when_no_time_is_asked() -> None:
    patch = EvidencePatch(
        error_types=("temporal",),
        guidance="Look here.",
        key_times_s=(5.0,),
        spatial_regions=(SpatialRegion(t_s=5.0, box=(0.5, 0.5, 1.0, 1.0), desc="by the gate"),),
    )
    assert check_patch(COUNT, patch, "").passed
    assert check_patch(NUMBER, patch, "").passed


def test_names_used_by_the_question_may_be_repeated() -> None:
    question = choice("Who scores first?", ("Player A", "Player B", "Player C"), "B")
    assert check_patch(question, guidance("Watch the ball leave the hands at 4 s."), "").passed
    assert not check_patch(question, guidance("Watch player B at 4 s."), "").passed


def test_reasons_never_name_the_answer() -> None:
    verdict = check_patch(SHAPE, guidance("The correct answer is B, a square."), "")
    assert set(verdict.rules) == {"answer_phrase", "gold_letter", "gold_text", "partial_text"}
    assert "square" not in verdict.reason
    assert "B" not in verdict.reason
    assert verdict.reason.count(";") == len(verdict.rules) - 1
    assert check_patch(SHAPE, guidance("Look."), "").reason == ""
    assert set(verdict.rules) <= set(RULES)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.sampled_from([SHAPE, COUNT, NUMBER, WHEN, LONG, SIGN, YES]))
def test_any_text_is_judged(text: str, question: Question) -> None:
    verdict = check_patch(question, guidance(text), text)
    assert verdict.passed == (verdict.rules == ())


@pytest.mark.parametrize("answer", ["red", "book", "umbrella", "seventeen", "42", "walks away"])
@given(
    before=st.text(alphabet="qzk ,.", max_size=20), after=st.text(alphabet="qzk ,.", max_size=20)
)
@settings(max_examples=20, deadline=None)
def test_planted_answers_are_found_anywhere(answer: str, before: str, after: str) -> None:
    question = open_("What is it?", answer)
    assert not check_patch(question, guidance(f"{before} {answer} {after}"), "").passed
