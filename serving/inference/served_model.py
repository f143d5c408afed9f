"""The model that a process serves, and the release it belongs to."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from artifacts.errors import CorruptModelFile, ModelFileError
from artifacts.model import TOLERANCE, Model, load_model
from artifacts.release import Release
from serving.exposition import Histogram

CALL_SECONDS = (
    *(0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005),
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0),
)
CALL_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Calls:
    """What is counted of a model's calls."""

    def __init__(self) -> None:
        self.seconds = Histogram(CALL_SECONDS)
        self.rows = Histogram(CALL_ROWS)
        self.late_rows = 0
        """Rows that nobody waited for any more, so that the model was not asked."""


@dataclass(frozen=True)
class ServedModel:
    """A loaded model with its release; `since` is when it was loaded."""

    model: Model
    release: Release
    since: datetime
    calls: Calls = field(default_factory=Calls)

    def describe(self) -> dict[str, Any]:
        """Return what `GET /v1/model` answers."""
        card = self.model.card
        counts = {}
        if card.label_counts is not None:
            counts["label_counts"] = dict(zip(card.labels, card.label_counts, strict=True))
        return {
            "name": card.name,
            "version": self.release.version,
            "sha256": self.model.sha256,
            "blob": self.release.blob,
            "verified": self.release.sha256 is not None,
            "since": self.since.isoformat(timespec="seconds"),
            "estimator": card.estimator,
            "features": [
                {"name": f.name, "unit": f.unit, "minimum": f.minimum, "maximum": f.maximum}
                for f in card.features
            ],
            "labels": card.labels,
            **counts,
            "input_dtype": card.input_dtype,
            "metrics": card.metrics,
            "golden": msgspec.to_builtins(card.golden),
        }

    def rows(self, value: Any) -> NDArray[np.float64]:
        """Return `value` as rows for this model.

        It is checked before the batcher sees it: rows of different widths can't be joined, and one
        failed batch is an error for every request in it.

        Raises:
            ValueError: it isn't a list of rows of as many finite numbers as the model has features.
        """
        width = len(self.model.card.features)
        rows = np.asarray(value)  # ragged lists raise ValueError here
        if rows.dtype.kind not in "iuf" or rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"expected rows of {width} numbers each")
        if not len(rows):
            raise ValueError("expected at least one row")
        if not np.isfinite(rows).all():
            raise ValueError("expected finite numbers")
        return rows.astype(np.float64, copy=False)

    def timed(self, rows: NDArray[np.float64], deadline: float) -> NDArray[np.float64]:
        """Return the rows, each with its deadline in a last column.

        So the deadlines go through the batcher, which knows arrays only.

        Args:
            rows: shape (n, features).
            deadline: when their caller stops waiting, on the monotonic clock, in seconds.

        Returns:
            Shape (n, features + 1).
        """
        timed = np.empty((len(rows), rows.shape[1] + 1))
        timed[:, :-1] = rows
        timed[:, -1] = deadline
        return timed

    def predict_timed(self, timed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of rows that have their deadlines in a last column.

        Rows that nobody waits for any more cost the model nothing: theirs are infinite.

        Args:
            timed: shape (n, features + 1).

        Returns:
            Shape (n, classes).
        """
        rows, in_time = timed[:, :-1], timed[:, -1] > time.monotonic()
        if in_time.all():
            return self._predict(np.ascontiguousarray(rows))
        self.calls.late_rows += len(rows) - int(in_time.sum())
        probabilities = np.full((len(rows), len(self.model.card.labels)), np.inf)
        if in_time.any():
            probabilities[in_time] = self._predict(rows[in_time])
        return probabilities

    def _predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        began = time.perf_counter()
        probabilities = self.model.predict(rows)
        self.calls.seconds.observe(time.perf_counter() - began)
        self.calls.rows.observe(len(rows))
        return probabilities


def load_served_model(path: Path, environ: Mapping[str, str]) -> ServedModel:
    """Load the file at `path` as the release that `environ` names.

    Raises:
        SettingsError: the release is not named, or not rightly.
        ModelFileError: there is no such file, it is not the one asked for, or not a whole one.
    """
    release = Release.from_environ(environ)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"the model file {path} cannot be read: {error.strerror}",
            hint="python -m serving.download_model puts it there",
        ) from error
    model = load_model(data, release.sha256)
    model.check_golden()
    return ServedModel(model, release, datetime.now(UTC))


def check_golden_answer(served: ServedModel, answer: list[list[float]]) -> None:
    """Check what came back over HTTP for the golden rows against the loaded model itself.

    Raises:
        CorruptModelFile: it is something else than the model computes.
    """
    card = served.model.card
    expected = served.model.predict(np.array(card.golden.rows))
    if not np.allclose(np.array(answer), expected, rtol=0, atol=TOLERANCE[card.input_dtype]):
        raise CorruptModelFile("the golden rows come back changed from the service's own path")
