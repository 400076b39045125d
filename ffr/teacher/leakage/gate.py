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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.teacher.leakage.arithmetic import says_value, shows_digits
from ffr.teacher.leakage.disguise import glued, hides_backwards, plain_letters, revealed
from ffr.teacher.leakage.gold import Gold, gold_of
from ffr.teacher.leakage.number_words import digits
from ffr.teacher.leakage.numbers import NUMBER, scrub, time_mentions
from ffr.teacher.leakage.options import (
    NEGATION,
    leaves_out,
    names_gold_letter,
    ruled_out,
    says_the_other,
    tells_order,
)
from ffr.teacher.leakage.phrases import gives_answer, hints_spelling, names_part
from ffr.teacher.leakage.synonyms import other_words, said_otherwise
from ffr.teacher.leakage.text import GENERIC, clean, contains, content, sentences, words
from ffr.teacher.leakage.yes_no import names_contrary, settles

__all__ = ["RULES", "LeakVerdict", "check_patch"]

RULES: dict[str, str] = {
    "gold_letter": "it points at an option by its letter or its place in the list",
    "gold_text": "it contains the text of the answer",
    "gold_number": "it contains the number asked for, brackets it, or lets it be worked out",
    "gold_time": "it states the time or duration asked for",
    "answer_phrase": "it uses a phrase that announces or prescribes an answer",
    "elimination": "it rules out so many options that the answer remains",
    "partial_text": "its words together single out the answer",
    "paraphrase": "it says the answer in other words",
    "spelling_hint": "it hints at how the answer is spelled",
    "too_long": "its texts are too long to be checked",
}
"""Rule name to a reason that may be told to the teacher without naming the answer."""

_HARMLESS = re.compile(
    r"\b(?:time|temporal)[ -]windows?\b|\bwindows? (?=(?:from|between|around|near|of)\b)"
    r"|\bright (?=(?:before|after|when|as|at|where|behind|then|now|there|here|until|next)\b)"
    r"|\bclose[- ]ups?\b|\b(?:look|go|come|step) back\b|\bback (?:to|and forth)\b"
    r"|\bframe by frame\b|\bstep by step\b|\bslow(?:ing)? down\b",
    re.IGNORECASE,
)
_SPAN = re.compile(
    rf"({NUMBER}) ?(?:[a-z]{{1,12}} )?(?:-|–|to|until|and) ?({NUMBER})", re.IGNORECASE
)
_PLAIN_NO = re.compile(
    r"(?:^|[.:;!?(\"']\s*|\bsay |\banswer )no(?=\s*(?:[.,;:!?)\"']|$))", re.IGNORECASE
)
_MOST_CHARACTERS = 20_000
"""Of all texts of a patch together; a valid patch of a teacher has a tenth of it."""
_MOST_RESPONSE = 200_000
_PARTIAL_OPTION, _PARTIAL_SHORT, _PARTIAL_LONG = 0.33, 0.5, 0.34
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
    """One text of the patch: as cleaned, with number words as digits, and without pointers."""

    text: str
    numeric: str
    scrubbed: str
    tokens: tuple[str, ...]


def check_patch(question: Question, patch: EvidencePatch, student_response: str) -> LeakVerdict:
    """Judge a patch by rules alone; pure and fast (about two milliseconds).

    The time grows with the length of the texts and no faster, whatever they hold.

    Args:
        question: with its gold answer.
        patch: what would be shown.
        student_response: the failed response, see the module's text for its one use.
    """
    if sum(map(len, _texts(patch))) > _MOST_CHARACTERS:
        return LeakVerdict(passed=False, rules=("too_long",))
    gold = gold_of(question)
    asks_time = bool(gold.times_s)
    fields = [
        _field(text, gold, asks_time)
        for raw in map(_plain, _texts(patch))
        for text in (raw, revealed(raw))
        if text.strip()
    ]
    names_letters = _uses_letters(question)
    rules: set[str] = set()
    out: set[str] = set()
    for field in fields:
        rules.update(_field_rules(field, gold, question, names_letters))
        out |= ruled_out(field.scrubbed, gold)
    texts = [(field.scrubbed, field.tokens) for field in fields]
    if _leaves_too_few(len(out), len(gold.others) + 1) or leaves_out(texts, gold):
        rules.add("elimination")
    rules.update(_partial(fields, gold, student_response))
    if tells_order(texts, gold):
        rules.add("partial_text")
    if asks_time and _times_give_away(patch, gold):
        rules.add("gold_time")
    return LeakVerdict(passed=not rules, rules=tuple(sorted(rules)))


def _plain(text: str) -> str:
    return plain_letters(clean(text))


def _texts(patch: EvidencePatch) -> Iterator[str]:
    yield patch.guidance
    yield from patch.temporal_markers
    yield from (region.desc for region in patch.spatial_regions)
    yield from (frame.label for frame in patch.frames)


def _field(text: str, gold: Gold, asks_time: bool) -> _Field:
    numeric = digits(_HARMLESS.sub(" ", text))
    scrubbed = scrub(numeric, gold.asked, keep_times=asks_time, keep_percent=gold.percent)
    return _Field(text, numeric, scrubbed, tuple(content(words(scrubbed))))


def _uses_letters(question: Question) -> bool:
    """The question itself uses single capital letters as names ("player B")."""
    texts = (question.question, *question.options)
    return any(re.search(r"(?<![\w'.-])[B-HJ-Z](?![\w'-])", clean(t)) for t in texts)


def _field_rules(
    field: _Field, gold: Gold, question: Question, names_letters: bool
) -> Iterator[str]:
    if names_gold_letter(field.text, field.numeric, gold, names_letters):
        yield "gold_letter"
    if gives_answer(field.text):
        yield "answer_phrase"
    if says_the_other(field.text, gold):
        yield "elimination"
    if gold.yes_no:
        if gold.claim is not None and settles(field.text, gold.claim, gold.yes_no):
            yield "paraphrase"
        if names_contrary(field.text, gold.yes_no):
            yield "elimination"
    elif gold.value is None and hints_spelling(field.text, field.numeric, gold.text):
        yield "spelling_hint"
    if not gold.said and _says_text(field, gold, question.answer_text):
        yield "gold_text"
    if not gold.times_s:
        if gold.value is not None and says_value(field.scrubbed, field.numeric, gold):
            yield "gold_number"
        if names_part(field.scrubbed, gold.text):
            yield "partial_text"
    elif _says_times(field.scrubbed, gold):
        yield "gold_time"


def _says_text(field: _Field, gold: Gold, answer: str) -> bool:
    if gold.value is not None and len(gold.phrase) == 1:
        return _says_digits(field, gold)
    if gold.phrase == ("no",):
        return _PLAIN_NO.search(field.text) is not None
    if not gold.yes_no and not gold.times_s and _says_in_disguise(field, answer, gold):
        return True
    if not contains(field.tokens, gold.phrase):
        return False
    if len(gold.phrase) == 1 and gold.phrase[0] in GENERIC:
        named = rf"\b(?:an?|the|his|her|its|is|are) (?:\w{{1,20}} )?{re.escape(gold.phrase[0])}"
        return re.search(named, field.scrubbed, re.IGNORECASE) is not None
    return not _names_all_alike(field.scrubbed, gold)


def _says_digits(field: _Field, gold: Gold) -> bool:
    if gold.times_s or any(t in gold.asked for t in gold.phrase):
        return False
    return shows_digits(field.scrubbed, gold.text) or (
        len(gold.text) >= 3 and glued(field.scrubbed, gold.text)
    )


def _says_in_disguise(field: _Field, answer: str, gold: Gold) -> bool:
    if hides_backwards(field.text, answer):
        return True
    found = glued(field.text, answer) or glued(field.scrubbed, gold.text)
    return found and not _names_all_alike(field.scrubbed, gold)


def _names_all_alike(text: str, gold: Gold) -> bool:
    """Every sentence that says the gold text names all other options too, without negation.

    Of an option, half of its words are enough; options such as "nobody" need not be named.
    """
    if not gold.named:
        return False
    saying = [s for s in sentences(text) if contains(content(words(s)), gold.phrase)]
    return bool(saying) and all(
        not NEGATION.search(s) and _names_all(content(words(s)), gold) for s in saying
    )


def _names_all(used: Collection[str], gold: Gold) -> bool:
    """Whether at least half of what every other option has of its own is among the words used.

    An option that has only words of the right one, in another order, must stand there whole.
    """
    for other in gold.named.values():
        own = [t for t in other if t not in gold.phrase and t not in gold.asked]
        if 2 * sum(t in used for t in own) < len(own) or not (own or contains(list(used), other)):
            return False
    return bool(gold.named)


def _says_times(text: str, gold: Gold) -> bool:
    said = time_mentions(text)
    if all(any(abs(s - t) <= 0.05 for s in said) for t in gold.times_s):
        return True
    if not gold.asks_length or len(gold.times_s) != 1:
        return False
    spans = [abs(_float(b) - _float(a)) for a, b in _SPAN.findall(text)]
    return any(abs(s - gold.times_s[0]) <= 0.05 * gold.times_s[0] for s in spans)


def _float(number: str) -> float:
    return float(number.replace(",", "."))


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


def _partial(fields: Sequence[_Field], gold: Gold, student_response: str) -> Iterator[str]:
    """Rules that fire when the words of all fields together single the gold answer out."""
    if gold.yes_no or gold.value is not None or gold.said:
        return
    weights = gold.weights
    if not gold.others:
        known = set(words(digits(clean(student_response[:_MOST_RESPONSE]))))
        weights = {t: w for t, w in weights.items() if t not in known}
    if not weights:
        return
    tokens = [field.tokens for field in fields]
    used = {token for field in tokens for token in field}
    negated = any(NEGATION.search(field.text) for field in fields)
    if _singles_out(used, weights, gold, negated=negated):
        yield "partial_text"
        return
    otherwise = said_otherwise(tokens, gold.otherwise)
    if otherwise and _singles_out(
        used | otherwise, weights, gold, negated=negated, fields=tokens
    ):
        yield "paraphrase"


def _singles_out(
    used: set[str],
    weights: Mapping[str, float],
    gold: Gold,
    *,
    negated: bool,
    fields: Sequence[Sequence[str]] = (),
) -> bool:
    """Whether enough of the answer is among the stems used, and more than of any other option.

    Nothing is singled out where all options are named alike, unless some of it is ``negated``.
    With ``fields``, other wordings count for the other options too.
    """
    score = sum(w for t, w in weights.items() if t in used) / sum(weights.values())
    if gold.others:
        limit = _PARTIAL_OPTION
    else:
        limit = _PARTIAL_SHORT if len(weights) <= 2 else _PARTIAL_LONG
    if score < limit:
        return False
    if _names_all(used, gold) and not negated:
        return False
    for other in gold.others.values():
        said = used | said_otherwise(fields, other_words(other)) if fields else used
        telling = [t for t in other if t not in gold.asked]
        if sum(t in said for t in telling) / max(1, len(telling)) >= score:
            return False
    return True
