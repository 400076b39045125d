"""Every test runs offline, without keys, on one torch thread."""

import os

import pytest
from hypothesis import settings

# Before torch is imported anywhere: several processes share a small machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "disabled")
# Ray would join a cluster that somebody else runs on this machine.
os.environ.setdefault("RAY_ADDRESS", "local")

settings.register_profile("house", deadline=None, max_examples=50)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach a paid endpoint with a key of the machine it runs on."""
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
