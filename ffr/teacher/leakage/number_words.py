"""Number words and numerals of many writings as digits: the one form the rules compare."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["digits", "ordinal_value"]

_UNIT_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPOKEN = {w: i for i, w in enumerate(_UNIT_WORDS.split())} | {
    w: 10 * i for i, w in enumerate(_TEN_WORDS.split(), 2)
}
_GROUPS = {
    "twice": 2, "thrice": 3, "duo": 2, "trio": 3, "threesome": 3, "quartet": 4, "foursome": 4,
    "quintet": 5, "sextet": 6, "septet": 7, "octet": 8, "dozen": 12,
}  # fmt: skip
_ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_ORDINALS = _ORDINAL_WORDS.split()

_ANY_WORD = "|".join(sorted([*_SPOKEN, "hundred", "thousand"], key=len, reverse=True))
_COMPOUND = re.compile(rf"\b(?:{_ANY_WORD})(?:,? (?:and )?(?:{_ANY_WORD})\b|-(?:{_ANY_WORD})\b)+",
                       re.IGNORECASE)  # fmt: skip
_NUMBER_WORD = re.compile(rf"\b(?:{_ANY_WORD})\b", re.IGNORECASE)
_WRITTEN_TOGETHER = re.compile(
    rf"\b({'|'.join(_TEN_WORDS.split())})({'|'.join(_UNIT_WORDS.split()[1:10])})\b", re.IGNORECASE
)
_NUMBER_PHRASES = re.compile(
    rf"\b(half a )?(?:an? )?({'|'.join(_GROUPS)})s?\b"
    r"|\b(?:a )?(?:pair|couple)\b(?: of\b)?|\b(?:single|once|sole|lone)\b",
    re.IGNORECASE,
)
_ONLY_ONE = re.compile(r"\b(?:just|only|exactly|precisely) one\b", re.IGNORECASE)
_SCORE = re.compile(r"\ba score (?=and |of |minus |plus |less )|\bhalf a hundred\b", re.IGNORECASE)
_AND_A_HALF = re.compile(r"\b(\d{1,9}) and (?:a|1|one) half\b|\b(\d{1,9})½", re.IGNORECASE)
# "one", "once" and "single" mostly count nothing.
_IDIOMS = re.compile(
    r"\b(?:the|this|that|which|each|every|no|any|another|some) (?:one|single)\b"
    r"|\bone (?:by one|at a time|more (?:time|look|check|pass)|of|by|at|after|or|another|point"
    r"|moment|side|who|that|which|way|frame|step)\b"
    r"|\b(?:at|by) one\b|\bat once\b|(?:^|[.,;:!?] ?)once\b"
    r"|\bonce (?:the|it|he|she|they|you|a|an|this|that|more|again|all)\b",
    re.IGNORECASE,
)
_ROMAN = re.compile(
    r"(?<![\w'])(?=[IVXLC]{2})C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?![\w'])"
    r"|(?<=[:=] )[IVXL](?![\w'.])|(?<=[:=])[IVXL](?![\w'.])"
)
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CJK_NUMBER = re.compile("[〇零一二两三四五六七八九十百千]+")
_CJK_IDIOM = re.compile(
    "一(?=下|起|样|直|定|些|边|旦|般|点)|第 ?[0-9〇零一二两三四五六七八九十百千]+"
)


def digits(text: str) -> str:
    """``text`` with number words and numerals as digits; idioms with "one" removed.

    English and the commonest European languages, Roman and CJK numerals.  Words said one after the
    other ("four oh eight", "thirty-nine ninety") stay numbers of their own.  Runs of white space
    become single spaces.
    """
    text = _THOUSANDS.sub("", " ".join(text.split()))
    text = _ROMAN.sub(lambda m: str(_roman(m.group())), text)
    if not text.isascii():
        text = _CJK_NUMBER.sub(lambda m: f" {_cjk(m.group())} ", _CJK_IDIOM.sub(" ", text))
    text = _FOREIGN_WORD.sub(_translated, text)
    text = _FOREIGN_SUM.sub(lambda m: str(int(m.group(1)) + int(m.group(2))), text)
    text = _WRITTEN_TOGETHER.sub(r"\1-\2", text)
    text = _COMPOUND.sub(_spoken, text)
    text = _IDIOMS.sub(" ", _ONLY_ONE.sub(" 1 ", text))
    text = _NUMBER_PHRASES.sub(_phrase, _SCORE.sub("20 ", text))
    text = _NUMBER_WORD.sub(_spoken, text)
    text = _AND_A_HALF.sub(lambda m: f"{m.group(1) or m.group(2)}.5", text)
    return " ".join(text.split())


def ordinal_value(word: str) -> int | None:
    """2 for ``second`` and ``2nd``, ``None`` for anything else."""
    word = word.lower()
    if word in _ORDINALS:
        return _ORDINALS.index(word) + 1
    match = re.fullmatch(r"(\d{1,4})(?:st|nd|rd|th)", word)
    return int(match.group(1)) if match else None


def _phrase(match: re.Match[str]) -> str:
    word, text = (match.group(2) or "").lower(), match.group().lower()
    if word:
        return str(_GROUPS[word] // 2 if match.group(1) else _GROUPS[word])
    return "2" if "pair" in text or "couple" in text else "1"


def _translated(match: re.Match[str]) -> str:
    value = _FOREIGN.get(match.group().lower())
    return match.group() if value is None else str(value)


def _spoken(match: re.Match[str]) -> str:
    """A run of number words as the numbers it means, separated by spaces."""
    said: list[int] = []
    thousands = current = room = 0  # the next word continues the number if smaller than room
    for word in re.findall(r"[a-z]+", match.group().lower()):
        if word == "and":
            continue
        if word == "hundred" and 0 < current < 100:
            current, room = 100 * current, 100
        elif word == "thousand" and current > 0 and not thousands:
            thousands, current, room = 1000 * current, 0, 1000
        else:
            value = _SPOKEN.get(word) or {"hundred": 100, "thousand": 1000}.get(word, 0)
            if not 0 < value < room:
                if thousands or current or room:
                    said.append(thousands + current)
                thousands = current = 0
            current += value
            room = 10 if 20 <= value < 100 else {100: 100, 1000: 1000}.get(value, 0)
            if value == 0:
                said.append(0)
    if thousands or current:
        said.append(thousands + current)
    return " ".join(map(str, said))


def _cjk(run: str) -> int:
    total = current = 0
    for ch in run:
        value = 2 if ch == "两" else int(unicodedata.numeric(ch, 0))
        if value >= 10:
            total, current = total + max(current, 1) * value, 0
        else:
            current = min(current, 10**12) * 10 + value
    return total + current


def _roman(text: str) -> int:
    values = [_ROMAN_VALUES[c] for c in text]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def _foreign() -> Iterator[tuple[str, int]]:
    """Number words from 2 on without accents; left out: English words (due, elf, once, sex, to)."""
    listed = {
        "de": "zwei drei vier funf sechs sieben acht neun zehn - zwolf dreizehn vierzehn funfzehn "
        "sechzehn siebzehn achtzehn neunzehn zwanzig",
        "fr": "deux trois quatre cinq - sept huit neuf dix onze douze treize quatorze quinze seize "
        "dix-sept dix-huit dix-neuf vingt",
        "es": "dos tres cuatro cinco seis siete ocho nueve diez - doce trece catorce quince "
        "dieciseis diecisiete dieciocho diecinueve veinte",
        "it": "- tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici "
        "quindici sedici diciassette diciotto diciannove venti",
        "pt": "dois tres quatro cinco seis sete oito nove dez onze doze treze quatorze quinze "
        "dezesseis dezessete dezoito dezenove vinte",
        "nl": "twee drie vier vijf zes zeven acht negen tien - twaalf dertien veertien vijftien "
        "zestien zeventien achttien negentien twintig",
        "ru": "два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать "
        "тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать "
        "двадцать",
    }
    for spelled in listed.values():
        yield from ((w, i) for i, w in enumerate(spelled.split(), 2) if w != "-")
    german = "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig"
    units = ["ein", *listed["de"].split()[:8]]
    for tens, word in enumerate(german.split(), 2):
        yield word, 10 * tens
        yield from ((f"{unit}und{word}", 10 * tens + i) for i, unit in enumerate(units, 1))
    spanish = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
    yield from ((ten, 10 * tens) for tens, ten in enumerate(spanish.split(), 3))
    units = ["uno", *listed["es"].split()[:8]]
    yield from ((f"veinti{word}", 20 + i) for i, word in enumerate(units, 1))
    french = "vingt trente quarante cinquante soixante"
    units = ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
    for tens, ten in enumerate(french.split(), 2):
        yield ten, 10 * tens
        yield from ((f"{ten}-{word}", 10 * tens + i) for i, word in enumerate(units, 1))


_FOREIGN = dict(_foreign())
_FOREIGN_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")
_FOREIGN_SUM = re.compile(r"\b([2-9]0) (?:y|et|e) ([1-9])\b")
