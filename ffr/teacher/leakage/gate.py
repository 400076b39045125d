"""The gate itself: every text and time of a patch against every rule (spec ffr §2.6).

Decisions (ours):

- A text of the gold answer is allowed only where the question's stem already says it, and not
  when the stem merely lists it among alternatives ("red or green?").
- What the failed response said is no licence: the patch goes to a fresh attempt that has not
  seen that response, and a stored patch serves other responses with the same wrong answer.  It
  counts in one place only: words of an *open* answer that the response already used do not
  make a partial leak (for choice questions every response may quote the options).
- A sentence that names all options alike, without negation, tells nothing.
- Numbers that are times, frame indices, coordinates, ordinals or zoom factors are pointers.
  If the question asks for a time, times count too: a field whose times all coincide with the
  gold times gives them away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.teacher.leakage.gold import Gold, gold_of
from ffr.teacher.leakage.numbers import digits, numbers, scrub, time_mentions
from ffr.teacher.leakage.options import NEGATION, names_gold_letter, ruled_out, says_the_other
from ffr.teacher.leakage.phrases import gives_answer, hints_spelling
from ffr.teacher.leakage.text import (
    GENERIC,
    clean,
    contains,
    content,
    despaced,
    sentences,
    words,
)

__all__ = ["RULES", "LeakVerdict", "check_patch"]

RULES: dict[str, str] = {
    "gold_letter": "it points at an option by its letter or its place in the list",
    "gold_text": "it contains the text of the answer",
    "gold_number": "it contains the number asked for, or brackets it",
    "gold_time": "it states the time or duration asked for",
    "answer_phrase": "it uses a phrase that announces or prescribes an answer",
    "elimination": "it rules out so many options that the answer remains",
    "partial_text": "its words together single out the answer",
    "spelling_hint": "it hints at how the answer is spelled",
}
"""Rule name to a reason that may be told to the teacher without naming the answer."""

_HARMLESS = re.compile(
    r"\b(?:time|temporal)[ -]windows?\b|\bwindows? (?=(?:from|between|around|near|of)\b)"
    r"|\bright (?=(?:before|after|when|as|at|where|behind|then|now|there|here|until|next)\b)"
    r"|\bclose[- ]ups?\b|\b(?:look|go|come|step) back\b|\bback (?:to|and forth)\b"
    r"|\bframe by frame\b|\bstep by step\b|\bslow(?:ing)? down\b",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(more than|over|exceed(?:s|ing)?|above|greater than|fewer than|less than|under|below"
    r"|short of) (\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_SUM = re.compile(r"(\d+(?:\.\d+)?) ?(?:\+|plus|and|then) ?(\d+(?:\.\d+)?)", re.IGNORECASE)
_OFFSET = re.compile(r"(\d+) (more|fewer|less) than (\d+)", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?s?\w* ?(?:-|–|to|until|and) ?(\d+(?:\.\d+)?)", re.IGNORECASE)
_PLAIN_NO = re.compile(
    r"(?:^|[.:;!?(\"']\s*|\bsay |\banswer )no(?=\s*(?:[.,;:!?)\"']|$))", re.IGNORECASE
)
_PARTIAL_OPTION, _PARTIAL_SHORT, _PARTIAL_LONG = 0.33, 0.5, 0.6
"""Share of the answer's telling words that is too much: of an option (which must also be ahead
of every other option), of an open answer with up to two such words, of a longer one."""


@dataclass(frozen=True)
class LeakVerdict:
    """Whether a patch may be shown; ``rules`` are the names of those that refused it, sorted."""

    passed: bool
    rules: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What was wrong, in words that do not give the answer away."""
        return "; ".join(RULES[rule] for rule in self.rules)


@dataclass(frozen=True)
class _Field:
    text: str
    scrubbed: str
    tokens: tuple[str, ...]


def check_patch(question: Question, patch: EvidencePatch, student_response: str) -> LeakVerdict:
    """Judge a patch by rules alone; pure and fast (about a millisecond).

    Args:
        question: with its gold answer.
        patch: what would be shown.
        student_response: the failed response, see the module's text for its one use.
    """
    gold = gold_of(question)
    asks_time = bool(gold.times_s)
    fields = [
        _field(text, gold, asks_time)
        for raw in _texts(patch)
        for text in (clean(raw), despaced(clean(raw)))
        if text.strip()
    ]
    names_letters = _uses_letters(question)
    rules: set[str] = set()
    out: set[str] = set()
    for field in fields:
        rules.update(_field_rules(field, gold, names_letters))
        out |= ruled_out(field.scrubbed, gold)
    if _leaves_too_few(len(out), len(gold.letters)):
        rules.add("elimination")
    if _partial(fields, gold, student_response):
        rules.add("partial_text")
    if asks_time and _times_give_away(patch, gold):
        rules.add("gold_time")
    return LeakVerdict(passed=not rules, rules=tuple(sorted(rules)))


def _texts(patch: EvidencePatch) -> Iterator[str]:
    yield patch.guidance
    yield from patch.temporal_markers
    yield from (region.desc for region in patch.spatial_regions)
    yield from (frame.label for frame in patch.frames)


def _field(text: str, gold: Gold, asks_time: bool) -> _Field:
    scrubbed = scrub(
        digits(_HARMLESS.sub(" ", text)),
        gold.asked,
        keep_times=asks_time,
        keep_percent=gold.percent,
    )
    return _Field(text, scrubbed, tuple(content(words(scrubbed))))


def _uses_letters(question: Question) -> bool:
    """The question itself uses single capital letters as names ("player B")."""
    texts = (question.question, *question.options)
    return any(re.search(r"(?<![\w'.-])[B-HJ-Z](?![\w'-])", clean(t)) for t in texts)


def _field_rules(field: _Field, gold: Gold, names_letters: bool) -> Iterator[str]:
    if names_gold_letter(field.text, gold, names_letters):
        yield "gold_letter"
    if gives_answer(field.text):
        yield "answer_phrase"
    if says_the_other(field.text, gold):
        yield "elimination"
    if not gold.yes_no and gold.value is None and hints_spelling(field.text, gold.text):
        yield "spelling_hint"
    if not gold.said and _says_text(field, gold):
        yield "gold_text"
    if gold.value is not None and not gold.times_s and _says_value(field.scrubbed, gold):
        yield "gold_number"
    if gold.times_s and _says_times(field.scrubbed, gold):
        yield "gold_time"


def _says_text(field: _Field, gold: Gold) -> bool:
    if gold.value is not None and len(gold.phrase) == 1:
        return False
    if gold.phrase == ("no",):
        return _PLAIN_NO.search(field.text) is not None
    if not contains(field.tokens, gold.phrase):
        return False
    if len(gold.phrase) == 1 and gold.phrase[0] in GENERIC:
        named = rf"\b(?:an?|the|his|her|its|is|are) (?:\w+ )?{re.escape(gold.phrase[0])}"
        return re.search(named, field.scrubbed, re.IGNORECASE) is not None
    return not _names_all_alike(field.scrubbed, gold)


def _names_all_alike(text: str, gold: Gold) -> bool:
    """Every sentence that says the gold text names all other options too, without negation."""
    if not gold.others:
        return False
    saying = [s for s in sentences(text) if contains(content(words(s)), gold.phrase)]
    return bool(saying) and all(
        not NEGATION.search(s)
        and all(contains(content(words(s)), other) for other in gold.others.values())
        for s in saying
    )


def _says_value(text: str, gold: Gold) -> bool:
    value = gold.value
    assert value is not None
    if gold.phrase and any(t in gold.asked for t in gold.phrase if t[0].isdigit()):
        return False
    tolerance = 0.05 * abs(value) if gold.approximate else 1e-9
    mentioned = [float(n) for n in numbers(text)]
    if any(abs(m - value) <= tolerance for m in mentioned):
        rivals = {t for o in gold.others.values() for t in o if t[0].isdigit()}
        listed = set(numbers(text))
        if not (rivals and rivals <= listed and not NEGATION.search(text)):
            return True
    for word, number in _BOUND.findall(text):
        low = word.lower().startswith(("more", "over", "exceed", "above", "greater"))
        if float(number) == value + (-1 if low else 1):
            return True
    for first, word, second in _OFFSET.findall(text):
        signed = int(first) if word.lower() == "more" else -int(first)
        if int(second) + signed == value:
            return True
    return any(float(a) + float(b) == value for a, b in _SUM.findall(text))


def _says_times(text: str, gold: Gold) -> bool:
    said = time_mentions(text)
    if all(any(abs(s - t) <= 0.05 for s in said) for t in gold.times_s):
        return True
    if not gold.asks_length or len(gold.times_s) != 1:
        return False
    spans = [abs(float(b) - float(a)) for a, b in _SPAN.findall(text)]
    return any(abs(s - gold.times_s[0]) <= 0.05 * gold.times_s[0] for s in spans)


def _times_give_away(patch: EvidencePatch, gold: Gold) -> bool:
    """A field whose times are just the gold times (within a quarter second) states them."""

    def states(times: Sequence[float]) -> bool:
        return (
            bool(times)
            and all(any(abs(t - g) <= 0.25 for g in gold.times_s) for t in times)
            and all(any(abs(t - g) <= 0.25 for t in times) for g in gold.times_s)
        )

    regions = [r.t_s for r in patch.spatial_regions]
    frames = [f.t_s for f in patch.frames]
    return not gold.asks_length and any(map(states, (patch.key_times_s, regions, frames)))


def _leaves_too_few(ruled: int, options: int) -> bool:
    """All other options ruled out, or, of four and more, all but one of them."""
    return options >= 2 and ruled >= (options - 2 if options >= 4 else options - 1)


def _partial(fields: Sequence[_Field], gold: Gold, student_response: str) -> bool:
    """Whether the words of all fields together single the gold answer out."""
    if gold.yes_no or gold.value is not None or gold.said:
        return False
    weights = gold.weights
    if not gold.others:
        known = set(words(digits(clean(student_response))))
        weights = {t: w for t, w in weights.items() if t not in known}
    if not weights:
        return False
    used = {token for field in fields for token in field.tokens}
    score = sum(w for t, w in weights.items() if t in used) / sum(weights.values())
    if gold.others:
        limit = _PARTIAL_OPTION
    else:
        limit = _PARTIAL_SHORT if len(weights) <= 2 else _PARTIAL_LONG
    if score < limit:
        return False
    rivals = (
        sum(t in used for t in other if t not in gold.asked)
        / max(1, sum(t not in gold.asked for t in other))
        for other in gold.others.values()
    )
    return all(score > rival for rival in rivals)
