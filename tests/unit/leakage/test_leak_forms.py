"""Forms of leaks that plain word matching misses, and how near harmless guidance may come."""

from __future__ import annotations

import pytest

from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.teacher.leakage import check_patch
from ffr.teacher.leakage.arithmetic import shows_digits
from ffr.teacher.leakage.disguise import glued, hides_backwards, plain_letters, revealed
from ffr.teacher.leakage.number_words import digits, ordinal_value
from ffr.teacher.leakage.synonyms import other_words
from ffr.teacher.leakage.text import clean, content, stem, words
from ffr.teacher.leakage.yes_no import claim_of, names_contrary, settles


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("four oh", "4 oh"),
        ("seven three one nine", "7 3 1 9"),
        ("thirty-nine ninety", "39 90"),
        ("two hundred and five", "205"),
        ("three thousand two hundred", "3200"),
        ("nineteen eighty-four", "19 84"),
        ("twentyone", "21"),
        ("half a dozen", "6"),
        ("a couple more", "2 more"),
        ("twelve and a half", "12.5"),
        ("XLVIII", "48"),
        ("count: V", "count: 5"),
        ("I saw IT in the MIX", "I saw IT in the MIX"),
        ("二十一只", "21 只"),
        ("一百零五", "105"),
        ("第三秒", "秒"),
        ("vier Personen", "4 Personen"),
        ("einundzwanzig", "21"),
        ("vingt-deux", "22"),
        ("treinta y cinco", "35"),
        ("only one of them", "1 of them"),
        ("one of them", "them"),
        ("1,250 people", "1250 people"),
    ],
)
def test_numbers_of_many_writings_become_digits(text: str, expected: str) -> None:
    assert digits(clean(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("٢١ २१ ２１ ②", "21 21 21 2"),
        ("squ\u200bare pur\u00adple", "square purple"),
        ("🅱 🇧 Ⓑ Ｂ", "B B B B"),
        ("🦊", " fox face "),
        ("réd\t\tcafé", "red cafe"),
        ("a\nb", "a\nb"),
    ],
)
def test_cleaning(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    "family",
    [
        ("disappointed", "disappointment", "disappoints"),
        ("foggy", "fog"),
        ("reddish", "red"),
        ("leftward", "left", "leftwards"),
        ("motorcycle", "motorcyclist", "motorcycles"),
        ("angry", "angrily"),
        ("chisel", "chiselling"),
        ("throw", "threw", "thrown", "throwing"),
        ("box", "boxes"),
        ("baby", "babies"),
    ],
)
def test_forms_of_a_word_have_one_root(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize(("one", "two"), [("glass", "glance"), ("ham", "hammer"), ("bus", "busy")])
def test_different_words_keep_different_roots(one: str, two: str) -> None:
    assert stem(one) != stem(two)


def test_disguises() -> None:
    assert "red" in revealed("its r-e-d side").split()
    assert "red" in revealed("a r e d").split()
    assert "red" in revealed("r3d").split()
    assert revealed("at 4 s a dog") == ""
    assert hides_backwards("think of erauqs", "square")
    assert not hides_backwards("a level road", "level")
    assert glued("the post man", "postman")
    assert glued("K X - 4 0 8 1", "KX 4081")
    assert not glued("the imposter manages", "postman")
    assert plain_letters("option В") == "option B"
    assert plain_letters("красная машина") == "красная машина"


@pytest.mark.parametrize("text", ["7, 3, 1, 9", "7 then 3, then 1 and 9", "first digit 7, 3, 1, 9"])
def test_digits_one_after_the_other(text: str) -> None:
    assert shows_digits(text, "7319")
    assert not shows_digits(text, "7391")
    assert not shows_digits(f"{text}, 4", "7319")


def test_ordinals() -> None:
    assert [ordinal_value(w) for w in ("second", "2nd", "21st", "minute")] == [2, 2, 21, None]


def test_other_words_stand_for_parts_of_an_answer() -> None:
    phrase = tuple(content(words("the red motorcycle")))
    found = other_words(phrase)
    assert found[("crimson",)] == {stem("red")}
    assert found[(stem("motorbike"),)] == {stem("motorcycle")}
    assert other_words(("qzk",)) == {}


@pytest.mark.parametrize(
    ("question", "predicate"),
    [
        ("Does the ball enter the box?", "enter"),
        ("Is the magician's left hand empty at the end?", "empty"),
        ("Does the goalkeeper touch the ball before it crosses the line?", "touch"),
        ("Is there a dog in the room?", "dog"),
        ("Does anyone leave?", "leave"),
        ("At the end, is the window open?", "open"),
    ],
)
def test_what_a_question_claims(question: str, predicate: str) -> None:
    claim = claim_of(question)
    assert claim is not None
    assert claim.predicate == stem(predicate)


def test_a_claim_is_settled_by_statement_not_by_question() -> None:
    claim = claim_of("Does the ball enter the box?")
    assert claim is not None
    for text in ("The ball enters the box.", "At 6 s it goes into the box."):
        assert settles(text, claim, "yes")
        assert not settles(text, claim, "no")
    assert settles("The ball never enters the box.", claim, "no")
    for text in ("Does the ball enter the box?", "Watch whether the ball enters.", "Look at it."):
        assert not settles(text, claim, "yes")
        assert not settles(text, claim, "no")
    assert names_contrary("It would be wrong to say no.", "yes")
    assert not names_contrary("There is no need to hurry.", "yes")
    assert claim_of("Why?") is None


def ask(question: str, answer: str, *options: str, kind: str = "text") -> Question:
    return Question.model_validate(
        {
            "id": "q",
            "video": "v",
            "question": question,
            "options": options,
            "answer": answer,
            "answer_type": "choice" if options else kind,
        }
    )


ORDER = ask(
    "In which order?", "A", "lifts the car, checks the brake", "checks the brake, lifts the car"
)
COUNT = ask("How many plates are there?", "12", kind="number")
SHARE = ask("What share of hands is up, in per cent?", "60", kind="number")
HEIGHT = ask("How wide is the door, in metres?", "2.4", kind="regression")
WHO = ask("Who takes it?", "B", "the tall man", "the girl with braids", "the waiter", "nobody")
CODE = ask("Which code does she type?", "73194", kind="ocr")


@pytest.mark.parametrize(
    ("question", "text", "rule"),
    [
        (ORDER, "He lifts the car and then checks the brake.", "gold_text"),
        (ORDER, "The car first, the brake later.", "partial_text"),
        (COUNT, "Three rows of four.", "gold_number"),
        (COUNT, "Half of twenty-four.", "gold_number"),
        (COUNT, "Between 11 and 13 plates.", "gold_number"),
        (COUNT, "Two fewer than fourteen.", "gold_number"),
        (COUNT, "Seven big ones and five small ones.", "gold_number"),
        (COUNT, "The twelfth plate is the last.", "gold_number"),
        (SHARE, "Six of the ten hands are up.", "gold_number"),
        (HEIGHT, "It measures 240 cm.", "gold_number"),
        (WHO, "The tall man, the waiter: both stay away; nobody is wrong too.", "elimination"),
        (WHO, "The girl with plaits.", "partial_text"),
        (WHO, "The child in pigtails.", "paraphrase"),
        (CODE, "It ends in 194.", "partial_text"),
    ],
)
def test_leaks_in_other_forms(question: Question, text: str, rule: str) -> None:
    patch = EvidencePatch(error_types=("spatial",), guidance=text)
    assert rule in check_patch(question, patch, "").rules


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (ORDER, "When is the brake checked, and when is the car lifted?"),
        (COUNT, "Zoom in 12x at 12 s, frame 12, box (0.12, 0.5, 0.12, 0.9)."),
        (COUNT, "It is 12 o'clock on the wall; look at the 12th second and the four corners."),
        (COUNT, "crop 0,0.12,1,1 at 12.000 s"),
        (WHO, "The tall man, the girl with braids and the waiter stand there; check all."),
        (CODE, "Read it digit by digit from 2.0 to 4.0 s."),
    ],
)
def test_harmless_near_relatives(question: Question, text: str) -> None:
    patch = EvidencePatch(error_types=("spatial",), guidance=text)
    assert check_patch(question, patch, "").rules == ()


@pytest.mark.parametrize(
    "piece",
    ["1, ", "1 and ", "one ", "1:", "(1,", "a b ", "no ", "a", "1", " ", "B, ", "option ", "a-",
     "\u0301", "不", "the answer is ", "between 1 ", "frame 1, ", ".", "first "],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_hostile_text_is_judged(piece: str) -> None:
    """A pattern that backtracks without bound would not end within the life of the test."""
    longest = (piece * 20_000)[:20_000]
    patch = EvidencePatch.model_construct(
        error_types=("temporal",), guidance=longest, key_times_s=(), temporal_markers=(),
        spatial_regions=(), frames=(),
    )  # fmt: skip
    assert "too_long" not in check_patch(COUNT, patch, longest * 50).rules
    huge = patch.model_copy(update={"guidance": (piece * 1_000_000)[:1_000_000]})
    assert check_patch(COUNT, huge, "").rules == ("too_long",)
    markers = EvidencePatch(
        error_types=("temporal",), guidance="", temporal_markers=("x" * 400,) * 60
    )
    assert check_patch(COUNT, markers, "").rules == ("too_long",)
