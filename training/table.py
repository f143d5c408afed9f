"""A table of labelled rows, and the one form in which it is written."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from artifacts.digests import sha256_hex
from training.schema import LABEL_COLUMN

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of features with a label each.

    `sorted_table` puts the rows in order, so two files with the same flowers are one table with
    one digest, however their lines are arranged.
    """

    rows: Rows
    labels: list[str]
    features: list[str]

    @cached_property
    def sha256(self) -> str:
        """The identity of the data: the digest of its canonical CSV."""
        return sha256_hex(self.to_csv())

    def part(self, mask: Mask) -> "Table":
        """Return the rows where `mask` is true."""
        labels = [label for label, wanted in zip(self.labels, mask, strict=True) if wanted]
        return Table(self.rows[mask], labels, self.features)

    def columns(self, features: Iterable[str]) -> Rows:
        """Return the columns of these names, in this order."""
        return self.rows[:, [self.features.index(name) for name in features]]

    def to_csv(self) -> bytes:
        """Return the canonical CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.features, LABEL_COLUMN])
        for row, label in zip(self.rows, self.labels, strict=True):
            writer.writerow([*map(repr, row.tolist()), label])
        return text.getvalue().encode()


def sorted_table(rows: Rows, labels: list[str], features: list[str]) -> Table:
    """Return a table with its rows in order of label and features."""
    order = sorted(range(len(labels)), key=lambda i: (labels[i], *rows[i].tolist()))
    return Table(rows[order], [labels[i] for i in order], features)


def read_table(data: bytes) -> Table:
    """Read the canonical CSV, as `Table.to_csv` wrote it."""
    header, *lines = csv.reader(io.StringIO(data.decode()))
    features = header[:-1]
    rows = np.array([line[:-1] for line in lines], dtype=np.float64).reshape(-1, len(features))
    return Table(rows, [line[-1] for line in lines], features)
