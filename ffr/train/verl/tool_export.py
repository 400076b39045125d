"""The teacher's tools as verl's own: for policies that call tools while they answer.

Two ways, as verl has two.  ``VideoTool`` (``multi_turn.tool_config_path``; the YAML comes from
``ffr tools schema --format verl``): each row of the data set names its video, the policy never
does.  ``register_function_tools`` (``multi_turn.function_tool_path``): stateless functions, so
the policy passes an opaque video name that the prompt gave it.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from PIL import Image
from verl.tools.base_tool import BaseTool
from verl.tools.function_tool import function_tool
from verl.tools.schemas import OpenAIFunctionToolSchema, ToolResponse

from ffr.errors import UserError
from teacher_tools.errors import ToolError
from teacher_tools.export.schemas import VIDEO_ARGUMENT, flat_schema
from teacher_tools.export.videos import VideoShelf
from teacher_tools.media import resolve_media
from teacher_tools.runner import ToolResult, ToolRunner
from teacher_tools.toolset import load_toolset
from teacher_tools.totals import Totals

__all__ = ["VideoTool", "register_function_tools", "tool_response"]

_LOG = logging.getLogger(__name__)
_NO_VIDEO = "There is no video to look at for this question."

_runners: dict[tuple[str, ...], ToolRunner] = {}
_runners_lock = threading.Lock()
_trajectories: WeakKeyDictionary[Any, Totals] = WeakKeyDictionary()


def tool_response(result: ToolResult) -> tuple[ToolResponse, float, dict[str, Any]]:
    """A call's outcome as verl wants it: text and PIL images, no reward, metrics.

    verl shows a policy a failed call's text like any other; ``tool_failed`` in the metrics and
    the log tell them apart.
    """
    if result.detail:
        _LOG.warning("tool %s failed (%s): %s", result.tool, result.boundary, result.detail)
    frames = result.evidence.frames if result.evidence else ()
    metrics = {
        "tool_seconds": result.seconds,
        "tool_frames": len(frames),
        "tool_refused": float(not result.ok and result.boundary is None),
        "tool_failed": float(result.boundary is not None),
    }
    images = [Image.fromarray(frame.image) for frame in frames]
    if images:
        return ToolResponse(text=result.message, image=images), 0.0, metrics
    return ToolResponse(text=result.message), 0.0, metrics


class VideoTool(BaseTool):  # type: ignore[misc]
    """One tool of ours in verl's life cycle: ``create`` with a video, ``execute``, ``release``.

    ``config`` holds ``tool`` (its name), ``media_root``, and optionally ``files`` (tool files),
    ``workers`` (processes shared by all tools of this process, default 2) and ``totals``
    (``frames``, ``pixels``, ``seconds`` of all calls in one trajectory).

    A row of the data set gives ``extra_info.tools_kwargs.NAME.create_kwargs.video``, a path below
    ``media_root``.

    Raises:
        UserError: a setting is missing, or the tool does not exist.
    """

    def __init__(
        self, config: dict[str, Any], tool_schema: OpenAIFunctionToolSchema | None
    ) -> None:
        missing = sorted({"tool", "media_root"} - set(config))
        if missing:
            raise UserError(
                f"verl tool configuration lacks {missing[0]!r}; write the file with "
                "`ffr tools schema --format verl`"
            )
        files = tuple(str(file) for file in config.get("files") or ())
        self._runner = _runner(files, int(config.get("workers", 2)))
        self._tool = self._runner.toolset.subset([config["tool"]]).get(config["tool"])
        assert self._tool is not None
        self._media_root = Path(config["media_root"])
        self._limits: dict[str, Any] = dict(config.get("totals") or {})
        self._videos: dict[str, str] = {}
        super().__init__(config, tool_schema or self.get_openai_tool_schema())

    def get_openai_tool_schema(self) -> OpenAIFunctionToolSchema:
        assert self._tool is not None
        return OpenAIFunctionToolSchema.model_validate(flat_schema(self._tool))

    async def create(
        self, instance_id: str | None = None, **kwargs: Any
    ) -> tuple[str, ToolResponse]:
        instance, response = await super().create(instance_id)
        video = (kwargs.get("create_kwargs") or {}).get("video")
        if isinstance(video, str):
            self._videos[instance] = video
        return instance, response

    async def execute(
        self, instance_id: str, parameters: dict[str, Any], **kwargs: Any
    ) -> tuple[ToolResponse, float, dict[str, Any]]:
        video = self._videos.get(instance_id)
        try:
            if video is None:
                raise UserError(
                    f"the row gives no tools_kwargs.{self.name}.create_kwargs.video; add it to "
                    "extra_info"
                )
            path = resolve_media(video, self._media_root)
        except UserError as error:  # the text names the file: not for the policy
            failed = ToolResult(self.name, {}, None, _NO_VIDEO, "decode", str(error))
            return tool_response(failed)
        result = await self._runner.call(
            self.name, json.dumps(parameters), path, totals=self._totals(kwargs.get("agent_data"))
        )
        return tool_response(result)

    async def release(self, instance_id: str, **kwargs: Any) -> None:
        self._videos.pop(instance_id, None)

    def _totals(self, trajectory: object) -> Totals | None:
        if trajectory is None:
            return None
        with _runners_lock:
            return _trajectories.setdefault(trajectory, Totals(**self._limits))


def register_function_tools(
    root: Path | str, *, files: Sequence[Path | str] = (), names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Register tools in verl's table of function tools; call it in the file verl is told to load.

    Args:
        root: folder of the videos; they are named as ``ffr tools serve ROOT --names`` prints.
        files: Python files with more tools.
        names: only these tools; default all.

    Returns:
        The names of the tools.

    Raises:
        UserError: a tool or the folder does not exist.
        ValueError: verl already has another tool of that name.
    """
    shelf = VideoShelf(Path(root))
    runner = _runner(tuple(str(file) for file in files), 2)
    toolset = runner.toolset if names is None else runner.toolset.subset(names)
    for tool in toolset:
        function_tool(tool.name, schema=flat_schema(tool, video=True))(
            _function(tool.name, runner, shelf)
        )
    return toolset.names


def _function(name: str, runner: ToolRunner, shelf: VideoShelf) -> Any:
    async def call(**arguments: Any) -> tuple[ToolResponse, float, dict[str, Any]]:
        try:
            path = shelf.resolve(arguments.pop(VIDEO_ARGUMENT, None))
        except ToolError as error:
            return tool_response(ToolResult(name, {}, None, str(error)))
        return tool_response(await runner.call(name, json.dumps(arguments), path))

    call.__name__ = call.__qualname__ = name
    return call


def _runner(files: tuple[str, ...], workers: int) -> ToolRunner:
    """The runner of this process for these files; ended when the process ends."""
    with _runners_lock:
        if files not in _runners:
            runner = ToolRunner(load_toolset(files=[Path(f) for f in files]), workers=workers)
            atexit.register(runner.close)
            _runners[files] = runner
        return _runners[files]
