"""Worked examples 8.4 (format), confidence, and how responses of both templates are read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.rler import EvidenceConfig
from rewards.rler import CitationScale, read_response
from rewards.rler.confidence import confidence_from_log_probs, parse_confidence
from rewards.rler.format import rler_format

DEFAULT, PARITY = EvidenceConfig(), EvidenceConfig(mode="parity")
TIMES = EvidenceConfig(citation="times")
SCALE = CitationScale(16)
GOOD = "<think>x</think><answer>B</answer><keyframes>3</keyframes>"


@pytest.mark.parametrize("config", [DEFAULT, PARITY], ids=["default", "parity"])
@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\n<think>x</think>\n<answer>B</answer>\n<keyframes>3</keyframes>\n",
        GOOD + "<confidence>0.8</confidence>",
        GOOD.replace("3", "99"),
    ],
)
def test_well_formed(text, config) -> None:
    assert rler_format(text, config) == 1.0


@pytest.mark.parametrize("config", [DEFAULT, PARITY], ids=["default", "parity"])
@pytest.mark.parametrize(
    "text",
    [
        "<answer>B</answer><think>x</think><keyframes>3</keyframes>",
        "<think>x</think><answer>B</answer>",
        GOOD.replace("3", " "),
        GOOD.replace("3", "none"),
        "<think>x</think><answer>B</answer><answer>B</answer><keyframes>3</keyframes>",
        GOOD + " that is all",
        GOOD.replace("<think>x", "<think> "),
        GOOD.replace("</think>", ""),
        GOOD + "<confidence>1</confidence><confidence>1</confidence>",
        "<think>Let me look at frame 1 and",
        "",
    ],
)
def test_malformed(text, config) -> None:
    assert rler_format(text, config) == 0.0


def test_a_stray_confidence_tag_passes_in_parity_only() -> None:
    text = GOOD.replace("<think>x", "<think>x</confidence>")
    assert rler_format(text, PARITY) == 1.0
    assert rler_format(text, DEFAULT) == 0.0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<think>at <keyframes>5.0</keyframes> red</think><answer>red</answer>", 1.0),
        ("<think><keyframes>5</keyframes></think><answer>r</answer>"
         "<confidence>.7</confidence>", 1.0),
        ("<think>red</think><answer>red</answer>", 0.0),
        ("<think><keyframes>soon</keyframes></think><answer>red</answer>", 0.0),
        ("<think><keyframes>5</keyframes></think><answer>red</answer> so", 0.0),
    ],
)  # fmt: skip
def test_format_of_the_template_that_cites_times(text, wanted) -> None:
    assert rler_format(text, TIMES) == wanted


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("0.6", 0.6), ("50%", 0.5), ("0.5%", 0.005), ("80", 0.8), ("1.5", 0.015), ("1", 1.0),
        ("100", 1.0), ("0", 0.0), (".25", 0.25), (" 0.8 ", 0.8), ("101", None), ("150%", None),
        ("nan", None), ("inf", None), ("-0.2", None), ("high", None), ("", None), ("1e-1", None),
        ("9" * 400, None),
    ],
)  # fmt: skip
def test_confidence(said, value) -> None:
    found = parse_confidence(f"{GOOD}<confidence>{said}</confidence>")
    assert found == (None if value is None else pytest.approx(value, abs=1e-9))


def test_confidence_inside_the_reasoning_or_said_twice_does_not_count() -> None:
    assert parse_confidence("<think><confidence>.9</confidence></think><answer>B</answer>") is None
    assert parse_confidence(GOOD + "<confidence>.9</confidence><confidence>.1</confidence>") is None


def test_confidence_from_log_probs() -> None:
    assert confidence_from_log_probs([-0.1, -0.3]) == pytest.approx(0.818731, abs=1e-6)
    assert confidence_from_log_probs([]) is None
    assert confidence_from_log_probs([-0.1, -math.inf]) is None


def test_reads_the_whole_template() -> None:
    text = (
        "<think>In frame 4 the chair stands.</think>\n<answer>A</answer>\n"
        "<keyframes>4, 9, 40</keyframes>\n<confidence>60</confidence>"
    )
    for config in (DEFAULT, PARITY):
        reading = read_response(text, SCALE, config)
        assert (reading.answer, reading.think) == ("A", "In frame 4 the chair stands.")
        assert (reading.citations.units, reading.citations.invalid) == ({4, 9}, 1)
        assert (reading.confidence, reading.format, reading.problems) == (0.6, 1.0, ())


def test_the_blocks_behind_the_reasoning_may_come_in_any_order() -> None:
    text = "<think>x</think><keyframes>4</keyframes><answer>A</answer>"
    reading = read_response(text, SCALE, DEFAULT)
    assert (reading.answer, reading.citations.units, reading.format) == ("A", {4}, 0.0)


def test_keyframes_inside_the_reasoning_are_not_the_block() -> None:
    text = "<think><keyframes>1, 2</keyframes></think><answer>A</answer><keyframes>4</keyframes>"
    assert read_response(text, SCALE, DEFAULT).citations.units == {4}


def test_parity_reads_first_tags_where_the_one_parser_sees_no_answer() -> None:
    text = "<think>x</think><answer>A</answer><answer>B</answer><keyframes>4</keyframes>"
    assert read_response(text, SCALE, PARITY).answer == "A"
    reading = read_response(text, SCALE, DEFAULT)
    assert (reading.answer, reading.think) == (None, "")
    assert "repeated_answer" in reading.problems


def test_cited_times_come_from_the_reasoning_and_unreadable_ones_are_counted() -> None:
    scale = CitationScale(4, times_s=(1.0, 3.0, 5.0, 7.0), duration_s=8.0)
    text = "<think>at <keyframes>5.0, soon, later, 99</keyframes> red</think><answer>red</answer>"
    found = read_response(text, scale, TIMES).citations
    assert (found.units, found.invalid) == ({3}, 3)


pieces = st.sampled_from(
    ["<think>", "</think>", "<answer>", "</answer>", "<keyframes>", "</keyframes>", "<confidence>",
     "</confidence>", "3, 7", "0.5", "B", "\ud800", " "]
)  # fmt: skip


@given(parts=st.lists(pieces, max_size=14), config=st.sampled_from([DEFAULT, PARITY, TIMES]))
def test_no_text_breaks_the_reading(parts, config) -> None:
    scale = CitationScale(8, times_s=tuple(i + 0.5 for i in range(8)), duration_s=8.0)
    reading = read_response("".join(parts), scale, config)
    assert reading.format in (0.0, 1.0)
    assert reading.answer is None or reading.answer.strip()
    if config is not PARITY and reading.format == 1.0:
        assert reading.answer is not None


def test_an_endless_text_is_not_read() -> None:
    reading = read_response(GOOD + " " * 200_000, SCALE, PARITY)
    assert (reading.answer, reading.problems) == (None, ("too_long",))
