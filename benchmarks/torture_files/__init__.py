"""Generated video files that are hard to read right, each with its truth.

Every frame shows its number as a barcode and every recipe chooses the times, so no decoder has
a say in what is right.  Knows nothing of the readers it is used against.
"""

from __future__ import annotations

from torture_files.barcode import coded_frame, read_code
from torture_files.catalogue import DECODABLE, UNDECODABLE, Entry, make_file
from torture_files.recipe import CodedVideo, Recipe, encode

__all__ = [
    "DECODABLE",
    "UNDECODABLE",
    "CodedVideo",
    "Entry",
    "Recipe",
    "coded_frame",
    "encode",
    "make_file",
    "read_code",
]
