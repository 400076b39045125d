"""verl's configuration trees for the launcher, which never imports verl itself."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from ffr.config.schema import RunConfig
from ffr.train.apart import call_apart

__all__ = ["composed_grpo", "composed_sft"]


def composed_grpo(config: RunConfig, **paths: Any) -> DictConfig:
    """``ffr.train.verl.compose.grpo_tree``, elsewhere; ``paths`` are those of ``GrpoPaths``."""
    return _tree(call_apart(_grpo, config, paths))


def composed_sft(config: RunConfig, **paths: Any) -> DictConfig:
    """``ffr.train.verl.compose.sft_tree``, elsewhere; ``paths`` are its keyword arguments."""
    return _tree(call_apart(_sft, config, paths))


def _tree(container: Any) -> DictConfig:
    tree = OmegaConf.create(container)
    assert isinstance(tree, DictConfig)
    return tree


def _grpo(config: RunConfig, paths: dict[str, Any]) -> Any:
    from ffr.train.verl.compose import GrpoPaths, grpo_tree

    return OmegaConf.to_container(grpo_tree(config, GrpoPaths(**paths)))


def _sft(config: RunConfig, paths: dict[str, Any]) -> Any:
    from ffr.train.verl.compose import sft_tree

    return OmegaConf.to_container(sft_tree(config, **paths))
