"""From settings to a model that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffr.config.elect import EndpointConfig
from ffr.config.protocol import EvalProtocol
from ffr.evaluate.lmms.settings import PluginSettings
from ffr.evaluate.manifest import checkpoint_identity, endpoint_identity
from ffr.evaluate.open_model import OpenModel, asker_for, open_endpoint
from ffr.evaluate.reply import Asker

__all__ = ["OpenPlugin", "open_plugin"]


@dataclass(frozen=True, eq=False)
class OpenPlugin:
    """A model under a protocol.

    Attributes:
        identity: see ``ffr.evaluate.manifest``.
        execution: settings of the machine that can change rounding.
        batch_size: questions asked together.
        at_once: batches under way.
    """

    model: OpenModel
    asker: Asker
    identity: Mapping[str, Any]
    execution: Mapping[str, Any]
    batch_size: int
    at_once: int


def open_plugin(settings: PluginSettings, protocol: EvalProtocol, device: str) -> OpenPlugin:
    """Load the checkpoint, or prepare the endpoint; as ``ffr eval`` does.

    Raises:
        UserError: the checkpoint cannot be loaded, or a bad address or no key.
    """
    root = Path(settings.media_root)
    if settings.base_url is not None:
        assert settings.model_name is not None
        config = EndpointConfig(
            base_url=settings.base_url, model=settings.model_name,
            api_key_env=settings.api_key_env, timeout_s=settings.timeout_s,
            concurrency=max(settings.concurrency, 8),
        )  # fmt: skip
        model = open_endpoint(protocol, config, root, attempts=settings.attempts)
        identity = endpoint_identity(config.base_url, config.model)
        asker = asker_for(protocol, model, root)
        return OpenPlugin(model, asker, identity, {}, 1, settings.concurrency)
    from ffr.evaluate.checkpoint import open_checkpoint, stored_dtype

    assert settings.pretrained is not None
    folder = Path(settings.pretrained)
    identity = checkpoint_identity(folder)
    dtype = stored_dtype(folder) if settings.dtype == "auto" else settings.dtype
    # Elections are held one at a time: their own candidates make the batches.
    size = 1 if protocol.election is not None else settings.batch_size
    model = open_checkpoint(
        protocol, folder, root, batch_size=max(size, 64), device=device, dtype=dtype,
        attention=settings.attention,
    )  # fmt: skip
    execution = {
        "batch_size": size, "device": device.partition(":")[0], "dtype": dtype,
        "attention": settings.attention,
    }  # fmt: skip
    return OpenPlugin(model, asker_for(protocol, model, root), identity, execution, size, 2)
