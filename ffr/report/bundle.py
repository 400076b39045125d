"""Where the data chunks and images of a report go: into the page, or into files beside it.

Both forms are read by ``assets/core.js`` in the same way. A page opened from a disk may not fetch
its neighbours, but may load scripts and images, so chunks in files are small scripts.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ffr.errors import UserError
from ffr.patches.files import write_atomic
from ffr.report.embed import json_text, packed

__all__ = ["Block", "Bundle", "FileBundle", "FolderBundle", "Form", "Media"]

Form = Literal["file", "folder"]
Media = Literal["all", "patches", "none"]
"""Pictures of videos and patches, of patches alone, or none."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_MARKER = ".ffr-report"
_PAGE_BYTES = 400_000
_PAGE_IMAGES = 500


@dataclass(frozen=True)
class Block:
    """A data block of the page; ``text`` needs no further escaping."""

    id: str
    kind: str
    text: str = field(repr=False)


class Bundle(ABC):
    """Takes chunks and images; equal images are kept once.

    Attributes:
        form: ``file`` or ``folder``.
        image_bytes: bytes of all images kept, before base64.
        images: how many are kept.
    """

    form: Form

    def __init__(self) -> None:
        self.image_bytes = 0
        self.images = 0
        self._known: dict[bytes, str] = {}
        self._page = 0
        self._on_page = 0
        self._page_bytes = 0

    def image(self, data: bytes) -> str:
        """Keep a WebP image; returns its reference, ``PAGE:PLACE``.

        Images named one after the other lie on one page, which is loaded as a whole.
        """
        digest = hashlib.sha256(data).digest()
        known = self._known.get(digest)
        if known is not None:
            return known
        if self._page_bytes + len(data) > _PAGE_BYTES or self._on_page >= _PAGE_IMAGES:
            self.flush()
        reference = f"{self._page}:{self._on_page}"
        self._known[digest] = reference
        self._keep(reference, data)
        self._on_page += 1
        self._page_bytes += len(data)
        self.image_bytes += len(data)
        self.images += 1
        return reference

    def flush(self) -> None:
        """End the page of images, if there is one."""
        if self._on_page:
            self._end_page(self._page)
            self._page, self._on_page, self._page_bytes = self._page + 1, 0, 0

    @abstractmethod
    def chunk(self, name: str, value: object) -> None:
        """Keep plain data under a name of lower-case letters, digits and ``-``."""

    @abstractmethod
    def blocks(self) -> list[Block]:
        """Data blocks the page itself must hold."""

    @abstractmethod
    def _keep(self, reference: str, data: bytes) -> None: ...

    def _end_page(self, page: int) -> None:  # noqa: B027 - only one form has something to do
        pass


class FileBundle(Bundle):
    """Everything inside the page."""

    form: Form = "file"

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[Block] = []
        self._urls: list[str] = []

    def chunk(self, name: str, value: object) -> None:
        """See ``Bundle``."""
        self._blocks.append(Block(_checked(name), "application/octet-stream", packed(value)))

    def blocks(self) -> list[Block]:
        """See ``Bundle``."""
        self.flush()
        return self._blocks

    def _keep(self, reference: str, data: bytes) -> None:  # noqa: ARG002 - kept in their order
        self._urls.append(base64.b64encode(data).decode("ascii"))

    def _end_page(self, page: int) -> None:
        self._blocks.append(Block(f"media-{page}", "application/json", json_text(self._urls)))
        self._urls = []


class FolderBundle(Bundle):
    """Chunks as ``chunks/NAME.js``, images as ``media/PAGE/PLACE.webp`` below ``root``.

    Raises:
        UserError: ``root`` is neither missing, nor empty, nor an earlier report.
    """

    form: Form = "folder"

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        if root.exists() and not root.is_dir():
            raise UserError(f"{root} is a file; choose another --output")
        if root.exists() and any(root.iterdir()) and not (root / _MARKER).is_file():
            raise UserError(f"{root} is not empty and no report; choose another --output")
        for name in ("chunks", "media"):
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)
        (root / _MARKER).write_bytes(b"")

    def chunk(self, name: str, value: object) -> None:
        """See ``Bundle``."""
        text = f'FFR.arrive("{_checked(name)}","{packed(value)}")\n'
        write_atomic(self.root / "chunks" / f"{name}.js", text.encode("ascii"))

    def blocks(self) -> list[Block]:
        """See ``Bundle``."""
        return []

    def _keep(self, reference: str, data: bytes) -> None:
        page, place = reference.split(":")
        folder = self.root / "media" / page
        folder.mkdir(exist_ok=True)
        (folder / f"{place}.webp").write_bytes(data)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"name={name!r} is not allowed; give lower-case letters, digits and -")
    return name
