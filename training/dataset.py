"""The table of flowers: scikit-learn's iris, or a CSV, and nothing but a table without a fault."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import DataFault
from training.evaluation import Mask, Table, held_out
from training.schema import FEATURES, LABEL_COLUMN, LABELS, Column, column_name
from training.table import sorted_table

# Enough for five folds, and for a share of the rows left out that means something.
FEWEST_ROWS_A_CLASS = 15
FEWEST_TRAINING_ROWS_A_CLASS = 5

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Fault:
    """Something wrong with a file, and where: rows count from 1, which is the header."""

    message: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        where = [f"row {self.row}" if self.row else "", f"column {self.column}"]
        place = ", ".join(where if self.column else where[:1]).removeprefix(", ")
        return f"{place}: {self.message}" if place else self.message


def load_table(path: Path | None) -> Table:
    """Return the table of the CSV at `path`, or scikit-learn's iris where none is given.

    Raises:
        DataFault: the file can't be read, or it has faults; all of them are named.
    """
    table = _built_in() if path is None else read_csv(_bytes_of(path), str(path))
    _check_sides(table, held_out(table))
    return table


def _built_in() -> Table:
    from sklearn.datasets import load_iris  # seconds, which a file with faults need not wait for

    iris = load_iris()
    labels = [str(iris.target_names[number]) for number in iris.target]
    return sorted_table(iris.data, labels, [column.name for column in FEATURES])


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataFault(f"{path} can't be read: {error.strerror or error}") from error


def read_csv(data: bytes, name: str) -> Table:
    """Read a CSV whose first row names the columns, in any order.

    Args:
        data: the file's content, in UTF-8.
        name: what messages call the file.

    Raises:
        DataFault: the content has faults; all of them are named by row and column.
    """
    lines = _lines(data, name)
    if not lines:
        raise DataFault(f"{name} is empty", hint=_expected())
    (_, header), *body = lines
    header = [column_name(cell) for cell in header]
    faults = [*_header_faults(header), *_row_faults(header, body), *_class_faults(header, body)]
    if faults:
        raise _fault(name, faults)
    places = [header.index(column.name) for column in FEATURES]
    rows = np.array([[float(cells[i]) for i in places] for _, cells in body], dtype=np.float64)
    labels = [cells[header.index(LABEL_COLUMN)].strip() for _, cells in body]
    return sorted_table(rows, labels, [column.name for column in FEATURES])


def _lines(data: bytes, name: str) -> list[tuple[int, list[str]]]:
    """Return the lines that are not blank, each with its number."""
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        return [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise DataFault(f"{name} is not UTF-8: see row {row}", hint=_expected()) from error
    except csv.Error as error:
        raise DataFault(f"{name} is no CSV: row {reader.line_num}: {error}") from error


def _header_faults(header: list[str]) -> Iterator[Fault]:
    known = [*(column.name for column in FEATURES), LABEL_COLUMN]
    for name, times in Counter(header).items():
        if name not in known:
            yield Fault("there is no such column", 1, name or "without a name")
        elif times > 1:
            yield Fault(f"stands {times} times in the header", 1, name)
    for name in known:
        if name not in header:
            yield Fault("is missing in the header", 1, name)


def _row_faults(header: list[str], body: list[tuple[int, list[str]]]) -> Iterator[Fault]:
    known = [(header.index(c.name), c) for c in FEATURES if c.name in header]
    for row, cells in body:
        if len(cells) != len(header):
            yield Fault(f"has {len(cells)} cells where the header has {len(header)}", row)
            continue
        for place, column in known:
            message = _number_fault(cells[place].strip(), column)
            if message:
                yield Fault(message, row, column.name)
        if LABEL_COLUMN in header:
            message = _label_fault(cells[header.index(LABEL_COLUMN)].strip())
            if message:
                yield Fault(message, row, LABEL_COLUMN)


def _number_fault(cell: str, column: Column) -> str | None:
    if not cell:
        return "is missing"
    if not _NUMBER.fullmatch(cell):
        return f"{_shown(cell)} is not a number"
    if not column.minimum <= float(cell) <= column.maximum:
        return f"{cell} is out of range ({column.minimum} to {column.maximum} {column.unit})"
    return None


def _label_fault(cell: str) -> str | None:
    if not cell:
        return "is missing"
    if cell not in LABELS:
        return f"{_shown(cell)} is none of {', '.join(LABELS)}"
    return None


def _class_faults(header: list[str], body: list[tuple[int, list[str]]]) -> Iterator[Fault]:
    if LABEL_COLUMN not in header:
        return
    place = header.index(LABEL_COLUMN)
    counts = Counter(cells[place].strip() for _, cells in body if len(cells) > place)
    for label in LABELS:
        if counts[label] < FEWEST_ROWS_A_CLASS:
            text = f"{counts[label]} rows of {label}, and at least {FEWEST_ROWS_A_CLASS} are needed"
            yield Fault(text, column=LABEL_COLUMN)


def _check_sides(table: Table, out: Mask) -> None:
    """Refuse a table of which a class is hardly there on one side of the split."""
    inside, outside = (Counter(table.part(mask).labels) for mask in (~out, out))
    for label in LABELS:
        if inside[label] < FEWEST_TRAINING_ROWS_A_CLASS or not outside[label]:
            raise DataFault(
                f"of {label}, {inside[label]} rows would be trained on and {outside[label]} left "
                f"out; {FEWEST_TRAINING_ROWS_A_CLASS} and 1 are the fewest",
                hint="which rows are left out is fixed by their values; add rows of that species",
            )


def _fault(name: str, faults: list[Fault]) -> DataFault:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    lines = [f"{name} has {count} (row 1 is the header):", *(f"  {fault}" for fault in faults)]
    return DataFault("\n".join(lines), hint=_expected())


def _expected() -> str:
    columns = ", ".join([*(f"{c.name} ({c.unit})" for c in FEATURES), LABEL_COLUMN])
    return f"expected are the columns {columns}, comma-separated"


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")
