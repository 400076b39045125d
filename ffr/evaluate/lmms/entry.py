"""What lmms-eval finds: the entry point of group ``lmms_eval.models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmms_eval.models.registry_v2 import ModelManifest

__all__ = ["models"]

_MODULE = "ffr.evaluate.lmms.model"


def models() -> list[ModelManifest]:
    """Names and class paths of our models; nothing heavy is imported until one is asked for."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return [
        ModelManifest("ffr", chat_class_path=f"{_MODULE}.FfrModel"),
        ModelManifest("ffr_elect", chat_class_path=f"{_MODULE}.FfrElectModel"),
    ]
