"""One call inside a worker: load the tool, open the video, run, and say what came of it."""

from __future__ import annotations

import dataclasses
import gc
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from teacher_tools.errors import ProviderError, ToolError
from teacher_tools.evidence import Evidence, as_evidence
from teacher_tools.media.access import content_id
from teacher_tools.media.errors import MediaError, MediaTimeoutError, UndecodableError
from teacher_tools.media.reader import VideoReader
from teacher_tools.media.types import DecodedFrame, FrameReader, SeekMode, VideoInfo
from teacher_tools.tool import Tool
from teacher_tools.toolset import Origin, load_tool
from teacher_tools.video import Budget, Video
from teacher_tools.wire import Head, pack, pack_evidence

__all__ = ["Executor"]

_MAX_TEXT = 20_000  # characters of whatever a tool says or an exception quotes

# What clients of services raise; looked up only where a tool has imported them.
_PROVIDER_ERRORS = (
    ("openai", "OpenAIError"),
    ("httpx", "HTTPError"),
    ("requests", "RequestException"),
    ("urllib.error", "URLError"),
)


class _Watched:
    """A reader that tells when decoding begins and ends, so that a failure can be attributed."""

    def __init__(self, reader: FrameReader, tell: Callable[[str], None]) -> None:
        self._reader = reader
        self._tell = tell

    @property
    def info(self) -> VideoInfo:
        with self._decoding():
            return self._reader.info

    @property
    def duration_s(self) -> float:
        return self._reader.duration_s

    def frames_at(
        self,
        times_s: Sequence[float],
        *,
        mode: SeekMode = "exact",
        max_frame_pixels: int | None = None,
    ) -> list[DecodedFrame]:
        with self._decoding():
            return self._reader.frames_at(times_s, mode=mode, max_frame_pixels=max_frame_pixels)

    def close(self) -> None:
        self._reader.close()

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        self._tell("decode")
        try:
            yield
        except (MediaError, ToolError, ValueError):  # ValueError: the tool asked nonsense
            raise
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            raise UndecodableError(f"the decoder failed with {detail}") from error
        finally:
            self._tell("tool")


class Executor:
    """Runs calls one after the other; keeps loaded tools.

    Args:
        tell: reports the phase (``decode`` or ``tool``) a call enters.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._tools: dict[tuple[str, str], Tool] = {}

    def run(self, request: Head) -> bytes:
        """Answer one request; never raises for what a tool or a file does."""
        try:
            return self._run(request)
        except ToolError as error:
            return pack({"kind": "error", "text": str(error)[:_MAX_TEXT]})
        except MediaTimeoutError as error:
            return _failure("timeout", str(error))
        except MediaError as error:
            return _failure("decode", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - it ends the call, not the worker
            boundary = "provider" if _is_providers(error) else "tool"
            return _failure(boundary, traceback.format_exc(limit=-8))

    def _run(self, request: Head) -> bytes:
        tool = self._tool(request)
        arguments = tool.parameters.parse(request["arguments"])
        budget = Budget(**request["budget"])
        evidence = self._evidence(tool, arguments, Path(request["video"]), budget)
        gc.collect()  # PyAV's containers are in cycles, and with them tens of MB of decoders
        if len(evidence.frames) > budget.frames:
            raise ToolError(
                f"{len(evidence.frames)} frames would be returned; at most {budget.frames} are "
                "allowed here, ask for fewer"
            )
        if evidence.pixels > budget.pixels:
            raise ToolError(
                f"{evidence.pixels} pixels would be returned; at most {budget.pixels} are "
                "allowed, ask for fewer frames"
            )
        head, pixels = pack_evidence(evidence)
        return pack({"kind": "evidence", "evidence": head}, pixels)

    def _evidence(
        self, tool: Tool, arguments: dict[str, Any], path: Path, budget: Budget
    ) -> Evidence:
        self._tell("decode")
        with VideoReader.open(path, timeout_s=budget.seconds) as reader:
            self._tell("tool")
            video = Video(_Watched(reader, self._tell), lambda: content_id(path), budget)
            evidence = as_evidence(tool(video, **arguments), video.seen)
        return dataclasses.replace(evidence, text=evidence.text[:_MAX_TEXT])

    def _tool(self, request: Head) -> Tool:
        origin = Origin(**request["origin"])
        key = (origin.ref, request["tool"])
        if key not in self._tools:
            self._tools[key] = load_tool(origin, request["tool"])
            gc.collect()
            gc.freeze()  # what stays need not be looked at after every call
        tool = self._tools[key]
        if tool.hash != request["hash"]:
            raise RuntimeError(
                f"tool {tool.name!r} has changed since the run started; restart the run"
            )
        return tool


def _is_providers(error: BaseException) -> bool:
    """Whether a service a tool depends on is to blame."""
    kinds: list[type[BaseException]] = [ProviderError, ConnectionError]
    for module, name in _PROVIDER_ERRORS:
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            kinds.append(kind)
    return isinstance(error, tuple(kinds))


def _failure(boundary: str, detail: str) -> bytes:
    return pack({"kind": "failure", "boundary": boundary, "detail": detail[-_MAX_TEXT:]})
