"""Tables to train on, as CSV text that a test can spoil."""

from training.dataset import load_table
from training.schema import FEATURES, LABEL_COLUMN

HEADER = ",".join([*(column.name for column in FEATURES), LABEL_COLUMN])


def lines() -> list[str]:
    """Return iris as the lines of a CSV; the first is the header."""
    return load_table(None).to_csv().decode().splitlines()


def csv(lines: list[str]) -> bytes:
    """Return the lines as a file."""
    return ("\n".join(lines) + "\n").encode()


def spoiled(row: int, column: str, cell: str) -> bytes:
    """Return iris with one cell replaced; rows count from 1, the header."""
    changed = lines()
    cells = changed[row - 1].split(",")
    cells[HEADER.split(",").index(column)] = cell
    changed[row - 1] = ",".join(cells)
    return csv(changed)
