"""Loaded by ``import verl`` in every process (entry-point group ``verl.plugins``).

It makes the ``cpu`` platform known, nothing else: the module is imported by jobs
that have nothing to do with ``ffr``, so it must stay cheap and free of side effects.
The platform is chosen only by ``VERL_PLATFORM=cpu``, never by detection.
"""

from __future__ import annotations

from verl.plugin.platform.platform_manager import PlatformRegistry

from ffr.train.verl.cpu_platform import CpuPlatform

__all__ = ["register"]


def register() -> None:
    """Register the ``cpu`` platform once."""
    if PlatformRegistry.get("cpu") is not CpuPlatform:
        PlatformRegistry.register(platform="cpu")(CpuPlatform)


register()
