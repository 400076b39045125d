"""The demo world's ``manifest.json``: what was asked for, what is there, with which versions."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ffr.config.schema import DemoWorldConfig
from ffr.errors import UserError
from ffr.patches.files import StoreError

__all__ = ["WORLD_VERSION", "Manifest", "check_folder", "read_manifest"]

WORLD_VERSION = 3
"""Raise it whenever the same settings would give other videos, questions or records."""
_VERSIONED = ("av", "numpy", "pillow")


class Manifest(BaseModel):
    """Contents of ``manifest.json``.

    Attributes:
        settings: the configuration without its path.
        questions: split to family to count.
        files: path relative to the world's folder, to size in bytes.
        sha256: over every video, in order, and the four JSONL files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ffr demo world"] = "ffr demo world"
    world_version: int = WORLD_VERSION
    complete: bool = False
    settings: dict[str, int]
    versions: dict[str, str]
    questions: dict[str, dict[str, int]] = {}
    files: dict[str, int] = {}
    sha256: str = ""

    @classmethod
    def begun(cls, config: DemoWorldConfig) -> Manifest:
        """The manifest of a world that is being made."""
        versions = {name: version(name) for name in _VERSIONED}
        return cls(
            settings=_settings(config), versions={"python": platform.python_version(), **versions}
        )

    @classmethod
    def finished(
        cls,
        config: DemoWorldConfig,
        *,
        questions: dict[str, dict[str, int]],
        files: dict[str, int],
        sha256: str,
    ) -> Manifest:
        """The manifest of a complete world."""
        found = {"complete": True, "questions": questions, "files": files, "sha256": sha256}
        return cls.begun(config).model_copy(update=found)

    def to_bytes(self) -> bytes:
        """JSON, indented for people."""
        return (self.model_dump_json(indent=1) + "\n").encode()

    def damaged(self, root: Path) -> list[str]:
        """Listed files that are missing under ``root`` or have another size."""
        return [name for name, size in self.files.items() if _size_of(root / name) != size]


def check_folder(manifest: Path) -> None:
    """Refuse to make a world among somebody's other files.

    Raises:
        UserError: the folder cannot be read, is no folder, or holds files but no manifest.
    """
    try:
        strangers = not manifest.exists() and any(
            not entry.name.endswith(".tmp") for entry in manifest.parent.iterdir()
        )
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError.from_os_error("read", manifest.parent, error) from error
    if strangers:
        raise UserError(
            f"data.demo.path={str(manifest.parent)!r} holds files but no demo world; "
            "give a new or empty folder"
        )


def read_manifest(path: Path, config: DemoWorldConfig) -> Manifest | None:
    """The manifest at ``path``, or ``None`` when there is none yet.

    Raises:
        UserError: it cannot be read, or it belongs to a world with other settings.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise UserError(
            f"{path} is not the manifest of a demo world ({error.errors()[0]['msg']}); "
            "remove the folder or set data.demo.path to another one"
        ) from error
    wanted = {"world_version": WORLD_VERSION, **_settings(config)}
    found = {"world_version": manifest.world_version, **manifest.settings}
    for key, value in wanted.items():
        if found.get(key) != value:
            raise UserError(
                f"the demo world in {path.parent} was made with {key}={found.get(key)}, "
                f"not {value}; remove the folder or set data.demo.path to another one"
            )
    return manifest


def _settings(config: DemoWorldConfig) -> dict[str, int]:
    return {key: int(value) for key, value in config.model_dump(exclude={"path"}).items()}


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
