"""A teacher with a memory: the store first, then the live teacher, and every result kept.

Equal requests in flight share one diagnosis; equal requests later are read back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from pathlib import Path
from typing import Literal, Protocol

from ffr.errors import UserError
from ffr.patches.keys import KeyMaker
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from ffr.repair.protocols import Diagnosis, FailedRollout, Teacher
from ffr.teacher.health import TeacherHealth
from ffr.teacher.leakage import check_patch
from teacher_tools.media import MediaError, content_id, resolve_media

__all__ = ["ClosableTeacher", "StoreMissError", "StoredTeacher"]

_TRIES_OF_UNUSABLE = 2
"""Diagnoses that ended in a leak or an invalid answer before the failure itself is served."""
_TRIES_A_RUN = 2
"""Tries of one request, in this process, while the provider fails; later runs try again."""


class ClosableTeacher(Teacher, Protocol):
    """A teacher that holds connections or processes, and counts its outcomes."""

    health: TeacherHealth

    async def aclose(self) -> None:
        """Free everything it holds."""
        ...


class StoreMissError(UserError):
    """``store.on_miss`` is ``fail`` and a request is not in the store."""


class StoredTeacher:
    """Serves diagnoses from ``store``; use it from one event loop.

    Patches read back pass the leak gate again: stores come from other machines, and the rules
    of the gate improve.

    Args:
        store: records and images.
        keys: makes request keys; stands for the teacher's set-up.
        media_root: folder that every video must lie under.
        live: asked when the store has nothing; ``None`` for the store only.
        on_miss: ``live`` asks (without a live teacher: as ``skip``), ``skip`` gives
            ``store_miss``, ``fail`` ends the run.
        read: answer from the store; otherwise it is only written.
        leak_gate: check patches that were read back.
    """

    def __init__(
        self,
        store: PatchStore,
        keys: KeyMaker,
        media_root: Path,
        live: ClosableTeacher | None,
        on_miss: Literal["live", "skip", "fail"],
        *,
        read: bool = True,
        leak_gate: bool = True,
    ) -> None:
        self.store = store
        self.health = live.health if live is not None else TeacherHealth()
        self._keys = keys
        self._media_root = media_root
        self._live = live
        self._on_miss = on_miss
        self._read = read
        self._leak_gate = leak_gate
        self._flights: dict[str, asyncio.Task[Diagnosis]] = {}
        self._tries: Counter[str] = Counter()

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        """Explain one failure, from the store if possible.

        Raises:
            StoreError: the store cannot be read or written; what is in it stays valid.
            StoreMissError: nothing is stored and ``on_miss`` is ``fail``.
            TeacherFailingError: from the live teacher.
        """
        started = time.monotonic()
        try:
            key = await asyncio.to_thread(self._key, failed)
        except MediaError as error:
            return Diagnosis(NoPatch(reason="media_error", detail=str(error)), "none")
        flight = self._flights.get(key)
        if flight is not None:
            shared = await asyncio.shield(flight)
            return dataclasses.replace(
                shared,
                source="none" if shared.source == "none" else "store",
                seconds=time.monotonic() - started,
                tool_calls=(),
                counters=(("joined", 1.0),),
            )
        # A task of its own: a cancelled caller must not throw away a call that is paid for.
        task = asyncio.ensure_future(self._answer(key, failed, started))
        self._flights[key] = task
        task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Let diagnoses under way end and be stored, then close the live teacher."""
        if self._flights:
            await asyncio.gather(*self._flights.values(), return_exceptions=True)
        if self._live is not None:
            await self._live.aclose()

    async def _answer(self, key: str, failed: FailedRollout, started: float) -> Diagnosis:
        if self._read:
            found = await asyncio.to_thread(self.store.get, key)
            if found is not None and self._serves(key, found):
                return self._from_store(found, failed, started)
        if self._on_miss == "fail":
            raise StoreMissError(
                f"question id={failed.question.id!r} with wrong answer {failed.wrong_answer!r} is "
                f"not in the store {self.store.root} (request {key}); make the patch with "
                "store.on_miss=live, or set store.on_miss=skip"
            )
        if self._live is None or self._on_miss == "skip":
            miss = NoPatch(reason="store_miss", detail=f"request {key} is not stored")
            return Diagnosis(miss, "none", time.monotonic() - started, (), (("store_misses", 1.0),))
        self._tries[key] += 1
        diagnosis = await self._live.diagnose(failed)
        counters = (*diagnosis.counters, ("store_misses", 1.0))
        if not StoredDiagnosis.storable(diagnosis.outcome):
            return dataclasses.replace(diagnosis, counters=counters)
        record = self._record(failed, diagnosis)
        kept = await asyncio.to_thread(self.store.put, key, record)
        # Another process may have been first; everybody then uses what is stored. A patch like
        # one that a person rejected is rejected as well.
        outcome = kept.outcome if kept.patch or kept.rejected else diagnosis.outcome
        return dataclasses.replace(diagnosis, outcome=outcome, counters=counters)

    def _serves(self, key: str, record: StoredDiagnosis) -> bool:
        """Whether the record answers the request, or the live teacher should try again."""
        if record.patch is not None or self._live is None or self._on_miss != "live":
            return True
        if record.rejected:
            return True  # a person has the last word
        if record.transient:
            return self._tries[key] >= _TRIES_A_RUN
        return record.attempts >= _TRIES_OF_UNUSABLE

    def _from_store(
        self, record: StoredDiagnosis, failed: FailedRollout, started: float
    ) -> Diagnosis:
        outcome = record.outcome
        counters = [("store_hits", 1.0)]
        if isinstance(outcome, EvidencePatch) and self._leak_gate:
            verdict = check_patch(failed.question, outcome, failed.response_text)
            if not verdict.passed:
                counters.append(("leak_rejected", 1.0))
                counters += [(f"leak_{rule}", 1.0) for rule in verdict.rules]
                rules = ", ".join(verdict.rules)
                outcome = NoPatch(reason="leak", detail=f"stored patch refused: {rules}")
        seconds = time.monotonic() - started
        return Diagnosis(outcome, "store", seconds, (), tuple(counters), record.looks)

    def _record(self, failed: FailedRollout, diagnosis: Diagnosis) -> StoredDiagnosis:
        outcome = diagnosis.outcome
        refused = isinstance(outcome, NoPatch)
        return StoredDiagnosis(
            patch=None if refused else outcome,
            failure=outcome if refused else None,
            attempts=1 if refused else 0,
            teacher_model=self._keys.teacher_model,
            question_id=failed.question.id,
            tool_calls=diagnosis.tool_calls,
            # Refused calls are no evidence: what a model wrote there is not passed on to others.
            looks=tuple(look for look in diagnosis.looks if look.ok)[:256],
        )

    def _key(self, failed: FailedRollout) -> str:
        path = resolve_media(failed.question.video, self._media_root)
        return self._keys.key(content_id(path), failed.question, failed.wrong_answer)

    def _landed(self, key: str, task: asyncio.Task[Diagnosis]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, also when every caller is gone
