"""Let torchvision be imported beside a torch build it was not compiled for.

The torchvision wheel on the package index is linked against CUDA.  Beside a
CPU-only torch its extension does not load, and ``import torchvision`` then dies
because two operator schemas are missing (``torchvision::nms`` and ``::qnms``).
Everything the Qwen image and video processors use is pure Python, so declaring
the two schemas is enough.  They have no kernels: calling them still fails.

Registered under the ``torch.backends`` entry-point group, so it runs at the end
of every ``import torch`` in every process; it is harmless to call it again.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

__all__ = ["install"]

_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[object] = []  # a Library undoes its declarations when it is collected


def install() -> None:
    """Declare the operator schemas that an unloadable torchvision extension leaves out.

    Does nothing when torch has CUDA or HIP, when torchvision is absent or already
    imported, when its extension loads (a wheel that matches torch), or when the
    schemas exist.
    """
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None or _libraries:
        return
    if "torchvision" in sys.modules:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations or _extension_loads(spec.origin):
        return
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            library.define(f"{operator}{_SCHEMA}")
    _libraries.append(library)


def _extension_loads(origin: str | None) -> bool:
    """Whether torchvision's own compiled operators load beside this torch."""
    import torch

    if origin is None:
        return False
    load: Any = torch.ops.load_library  # untyped in torch
    for extension in sorted(Path(origin).parent.glob("_C*")):
        try:
            load(extension)
        except OSError:
            continue
        return True
    return False
