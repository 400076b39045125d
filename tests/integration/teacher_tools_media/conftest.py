"""Files of the torture matrix (``benchmarks/torture_files``), each written once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torture_files import CodedVideo, make_file


@pytest.fixture(scope="session")
def matrix_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CodedVideo]:
    """Gives a decodable file of the matrix by its name."""
    folder = tmp_path_factory.mktemp("matrix")
    made: dict[str, CodedVideo] = {}

    def make(name: str) -> CodedVideo:
        if name not in made:
            file = make_file(name, folder)
            assert isinstance(file, CodedVideo)
            made[name] = file
        return made[name]

    return make
