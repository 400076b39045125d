"""What a GRPO step is doing right now, from the group records its workers append."""

from __future__ import annotations

from ffr.run.folder import RunFolder
from ffr.run.records import RolloutLog
from ffr.run.tail import JsonTail

__all__ = ["StepPhase"]


class StepPhase:
    """The phase of the step under way; ask as often as you like, only news are read.

    Args:
        folder: of the run.
        questions: groups of a step.
        attempt: the launch that counts; default: the folder's last.
    """

    def __init__(self, folder: RunFolder, questions: int, attempt: int | None = None) -> None:
        self._log = RolloutLog(folder.rollouts)
        self._questions = questions
        self._attempt = folder.attempt if attempt is None else attempt
        self._step = -1
        self._seen = False
        self._tail = JsonTail(self._log.path(0))
        self._groups = 0

    def text(self, finished: int) -> str:
        """``answers and repairs 3/8``, ``update`` once all groups of the step are in, or "".

        Nothing is known of the first step of a launch until its first group is there: before
        that, engines are started.

        Args:
            finished: the last step whose metrics are written.
        """
        if finished + 1 != self._step:
            self._step = finished + 1
            self._tail = JsonTail(self._log.path(self._step))
            self._groups = 0
        for line in self._tail.read():
            # A resumed run writes the step again, under a higher attempt.
            if line.get("mode", "train") == "train" and line.get("attempt") == self._attempt:
                self._groups += 1
        self._seen = self._seen or self._groups > 0
        if not self._seen:
            return ""
        if self._groups >= self._questions:
            return "update"
        return f"answers and repairs {self._groups}/{self._questions}"
