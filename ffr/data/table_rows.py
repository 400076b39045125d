"""Rows of Parquet files and Hugging Face datasets, batch by batch.

Both libraries come with ``pip install 'ffr[data]'``; neither is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ffr.data.bad_rows import BadRow
from ffr.data.question_rows import finite_problem
from ffr.errors import UserError

__all__ = ["hub_rows", "parquet_rows"]

_BATCH = 256
_FIX = "install it with pip install 'ffr[data]'"

Row = tuple[int, dict[str, Any] | BadRow]


def parquet_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Rows of a Parquet file with their place from 1.

    Args:
        path: the file.
        columns: only these, where they exist; ``None`` reads all. Leave out columns that hold
            media: they are not used and cost memory.

    Raises:
        UserError: pyarrow is missing, or the file is no readable Parquet file.
    """
    try:
        import pyarrow as arrow  # type: ignore[import-untyped]
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(f"reading {path} needs pyarrow; {_FIX}") from error
    try:
        with parquet.ParquetFile(path) as file:
            present = file.schema_arrow.names
            wanted = None if columns is None else [name for name in present if name in columns]
            place = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                for row in batch.to_pylist():
                    place += 1
                    yield place, _plain(place, row)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path") from error
    except (OSError, arrow.ArrowException) as error:
        raise UserError(f"cannot read {path} as Parquet: {error}; give a whole file") from error


def hub_rows(
    name: str, *, split: str = "train", subset: str | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Row]:  # fmt: skip
    """Rows of a Hugging Face dataset with their place from 1; nothing is held whole in memory.

    Args:
        name: a folder written by ``save_to_disk``, else a name or folder ``load_dataset`` takes
            (streamed).
        split: which part of it.
        subset: configuration name, for data sets that have several.
        columns: only these, where they exist; media columns are then not decoded.

    Raises:
        UserError: the library is missing, or it cannot open the data set.
    """
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"reading hf:{name} needs the datasets library; {_FIX}") from error
    try:
        data = _open_hub(datasets, name, split, subset)
        if columns is not None and data.column_names is not None:
            data = data.select_columns([c for c in data.column_names if c in columns])
        yield from _numbered(data)
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        raise UserError(
            f"cannot read hf:{name} (split {split!r}): {type(error).__name__}: "
            f"{str(error)[:300]}; check the name, --split and --subset"
        ) from error


def _open_hub(datasets: Any, name: str, split: str, subset: str | None) -> Any:
    folder = Path(name)
    if (folder / "state.json").is_file():
        return datasets.load_from_disk(name)
    if (folder / "dataset_dict.json").is_file():
        return datasets.load_from_disk(name)[split]
    return datasets.load_dataset(name, subset, split=split, streaming=True)


def _numbered(rows: Iterable[dict[str, Any]]) -> Iterator[Row]:
    for place, row in enumerate(rows, start=1):
        yield place, _plain(place, row)


def _plain(place: int, row: dict[str, Any]) -> dict[str, Any] | BadRow:
    for key, value in row.items():
        if problem := finite_problem(value):
            return BadRow(place, None, f"column {key!r}: {problem}", "json")
    return row
