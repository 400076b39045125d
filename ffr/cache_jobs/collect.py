"""Gathers failures from every source, once each, and counts what was left out and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ffr.cache_jobs.items import Failure, spoken
from ffr.config.rewards import RewardConfig
from ffr.data.question import Question, option_letters
from ffr.patches.keys import normalise
from ffr.repair.protocols import Rollout
from ffr.repair.scoring import score_rollout
from student.prompt_parts import StudentPrompt

__all__ = ["Collection", "counterfactuals", "unanswered"]

_SHOWN = 3
_NO_PROMPT = StudentPrompt(())


@dataclass
class Collection:
    """Distinct failures in the order they were found.

    Two failures are one when question and normalised wrong answer are equal (they share a
    request key); the first one's response is what the teacher reads.

    Attributes:
        questions: by id; answers to others are counted as ``unknown_question``.
        reward: decides what is wrong.
        counts: ``failures`` and everything that was not one, by name.
        offenders: the first few places of what had to be left out, by the same names.
    """

    questions: Mapping[str, Question]
    reward: RewardConfig
    counts: Counter[str] = field(default_factory=Counter)
    offenders: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _found: dict[tuple[str, str | None], Failure] = field(default_factory=dict)

    @property
    def failures(self) -> list[Failure]:
        """What was found so far."""
        return list(self._found.values())

    def add(self, failures: Iterable[Failure]) -> None:
        """Take failures as they are."""
        for failure in failures:
            wrong = failure.wrong_answer
            key = (failure.question.id, None if wrong is None else normalise(wrong))
            self.counts["failures"] += 1
            if key in self._found:
                self.counts["duplicate"] += 1
            else:
                self._found[key] = failure

    def add_response(self, question_id: str, response: str, place: str) -> None:
        """Judge a whole response as training would."""
        question = self._question(question_id, place)
        if question is None:
            return
        if not response.strip():
            self.leave_out("empty_response", place)  # training asks no teacher about silence
            return
        scored = score_rollout(Rollout(_NO_PROMPT, response, (), "stop"), question, self.reward)
        if scored.score.right:
            self.counts["right"] += 1
        else:
            self.add([_failure(question, response, scored.answer)])

    def add_answer(self, question_id: str, answer: str, place: str) -> None:
        """Judge a bare answer, without the response around it."""
        question = self._question(question_id, place)
        if question is None:
            return
        if not answer.strip():
            self.leave_out("empty_response", place)
            return
        response = spoken(answer.strip())
        scored = score_rollout(Rollout(_NO_PROMPT, response, (), "stop"), question, self.reward)
        if scored.score.right:
            self.counts["right"] += 1
        else:
            self.add([_failure(question, response, answer.strip())])

    def leave_out(self, why: str, place: str) -> None:
        """Count something that is no failure, and remember where the first ones are."""
        self.counts[why] += 1
        if len(self.offenders[why]) < _SHOWN:
            self.offenders[why].append(place)

    def _question(self, question_id: str, place: str) -> Question | None:
        question = self.questions.get(question_id)
        if question is None:
            self.leave_out("unknown_question", f"{place}: id {question_id[:80]!r}")
        return question


def counterfactuals(questions: Iterable[Question]) -> Iterable[Failure]:
    """Every wrong option of every multiple-choice question, by its letter (design §6.5)."""
    for question in questions:
        for letter in option_letters(len(question.options)):
            if letter != question.answer:
                yield _failure(question, spoken(letter), letter)


def unanswered(questions: Iterable[Question]) -> Iterable[Failure]:
    """One failure a question without any answer: what malformed responses ask for."""
    for question in questions:
        yield _failure(question, spoken(None), None)


def _failure(question: Question, response: str, wrong: str | None) -> Failure:
    return Failure(question=question, response_text=response, wrong_answer=wrong)
