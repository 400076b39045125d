"""The question about each object of a demo video, and the response an SFT record teaches."""

from __future__ import annotations

import random

from ffr.data.question import Question, ReferenceEvent, option_letters
from ffr.demo.layout import SlotObject, VideoPlan
from ffr.demo.vocabulary import SHAPES, open_question, shape_choice_question

__all__ = ["CHOICE_SHARE", "question_about", "wanted_response"]

CHOICE_SHARE = 0.3
"""Share of multiple-choice questions; the rest are open."""


def question_about(plan: VideoPlan, item: SlotObject) -> Question:
    """The one question about ``item``, which must be one of the objects of ``plan``.

    Whether it is open or multiple-choice follows from the plan's seed, split and number.
    """
    slot = plan.objects.index(item)
    draw = random.Random(f"{plan.seed}/{plan.split}/{plan.number}/{slot}/question")
    is_choice = draw.random() < CHOICE_SHARE
    options = SHAPES if is_choice else ()
    return Question(
        id=f"{plan.split}-{plan.number:05d}-{slot}",
        video=f"videos/{plan.name}",
        question=(shape_choice_question if is_choice else open_question)(item.asked_s),
        options=options,
        answer_type="choice" if is_choice else "text",
        answer=(
            option_letters(len(options))[options.index(item.shape)]
            if is_choice
            else f"{item.colour} {item.shape}"
        ),
        family=item.family,
        gold_spans=(plan.span(item),),
        events=tuple(_event(plan, shown) for shown in plan.objects),
    )


def _event(plan: VideoPlan, item: SlotObject) -> ReferenceEvent:
    span = plan.span(item)
    return ReferenceEvent(
        start_s=span.start_s, end_s=span.end_s, text=f"{item.colour} {item.shape}"
    )


def wanted_response(question: Question, item: SlotObject) -> str:
    """What a student that knows the answer says: when it looked, what it saw, the answer.

    Naming the object in the reasoning for both kinds of question lets a tiny model share one
    skill between them; a letter then follows from words instead of from pixels.
    """
    return (
        f"<think>at <keyframes>{item.asked_s:.1f}</keyframes> {item.colour} {item.shape}</think>"
        f"<answer>{question.answer}</answer>"
    )
