"""What the gates look at: everything is measured before, so that a gate is a rule and no more."""

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.model import Model, ModelCard, load_model
from training.evaluation import SPLIT_SALT, Table, grid, held_out

ROUNDS = 5
CALLS = 200
MOST_SECONDS = 2.0
"""How long all calls of one model may take together; a slow one is called less often."""


@dataclass(frozen=True)
class Answers:
    """What one model says of some rows.

    `probabilities` has shape (rows, classes), in the order of `classes`.
    """

    probabilities: NDArray[np.float64]
    classes: list[str]

    @cached_property
    def labels(self) -> NDArray[np.str_]:
        """The most probable class of each row."""
        return np.asarray(np.array(self.classes)[self.probabilities.argmax(axis=1)])

    def of(self, label: str) -> NDArray[np.float64]:
        """Return the probability of a class for each row; 0 of one that the model does not know."""
        if label not in self.classes:
            return np.zeros(len(self.probabilities))
        return self.probabilities[:, self.classes.index(label)]

    def brier(self, truth: Sequence[str]) -> NDArray[np.float64]:
        """Return the squared distance of each row from its true label: from 0 to 2."""
        true = np.array(
            [
                p[self.classes.index(t)] if t in self.classes else 0.0
                for p, t in zip(self.probabilities, truth, strict=True)
            ]
        )
        return np.asarray((self.probabilities**2).sum(axis=1) - 2 * true + 1)


@dataclass(frozen=True)
class Compared:
    """What both models say of the same labelled rows, which training leaves out."""

    sha256: str
    """The digest of the data that the rows are of."""
    labels: list[str]
    candidate: Answers
    champion: Answers | None
    """None where nothing serves, or where what serves needs other features."""
    same_everywhere: bool
    """Whether both give the same label to each row of the data, and of a grid beyond it."""
    candidate_may_know: bool
    """Whether the candidate may have been trained on these rows."""
    champion_may_know: bool

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which rows the candidate is right on."""
        return np.asarray(self.candidate.labels == np.array(self.labels))

    @cached_property
    def champion_right(self) -> NDArray[np.bool_]:
        """Which rows the champion is right on."""
        assert self.champion is not None
        return np.asarray(self.champion.labels == np.array(self.labels))


class Cost(NamedTuple):
    """What one model costs."""

    p50_ms: float
    p99_ms: float
    size_bytes: int
    load_s: float


@dataclass(frozen=True)
class ServedRequest:
    """One request that the champion answered, and what both models say of its rows."""

    at: dt.datetime
    rows: NDArray[np.float64]
    """Shape (n, features), in the order of `Served.features`."""
    before: Answers
    after: Answers


@dataclass(frozen=True)
class Served:
    """What the champion really served, as far as it was kept."""

    requests: list[ServedRequest]
    """The youngest first."""
    features: list[str]
    now: dt.datetime
    damaged: int = 0
    """Batches that could not be read."""
    foreign: int = 0
    """Batches that lack a feature of the candidate's."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was measured of one version, and of what serves."""

    candidate: Model
    champion: Model | None
    """What serves; None where nothing does."""
    registered: str
    """The digest that the candidate's file had when it was registered."""
    published: str | None
    """The digest of what lies under the release's name already; None where nothing does."""
    cost: Cost
    champion_cost: Cost | None
    rows: Compared | None
    """Of the candidate's data, or else the champion's; None where none is known to judge it on."""
    champion_rows: Compared | None
    """Of the champion's data where it is another table; None where it is not, or can't be asked."""
    champion_rows_missing: str
    """Why the champion's data can't be asked, though it is another; empty: it needn't, or was."""
    served: Served | None
    """None where nothing that the champion served was kept."""
    contract_change: str
    """Why clients may see another contract; empty: they may not."""


def answer(model: Model, rows: NDArray[np.float64], features: Sequence[str]) -> Answers:
    """Ask a model for rows whose columns have these names, in whatever order."""
    columns = [list(features).index(feature.name) for feature in model.card.features]
    return Answers(model.predict(rows[:, columns]), model.card.labels)


def fits(model: Model, features: Sequence[str]) -> bool:
    """Tell whether rows of these features hold all that a model needs."""
    return {feature.name for feature in model.card.features} <= set(features)


def compare(candidate: Model, champion: Model | None, table: Table) -> Compared | None:
    """Ask both models for the rows that training leaves out; None where there are none."""
    left_out = table.part(held_out(table))
    if not left_out.labels or not fits(candidate, table.features):
        return None
    other = champion if champion is not None and fits(champion, table.features) else None
    return Compared(
        table.sha256,
        left_out.labels,
        answer(candidate, left_out.rows, left_out.features),
        answer(other, left_out.rows, left_out.features) if other else None,
        other is not None and _same_labels(candidate, other, table),
        not _left_out_of(candidate.card),
        other is not None and not _left_out_of(other.card),
    )


def _left_out_of(card: ModelCard) -> bool:
    """Tell whether a model was trained by the split that leaves these rows out."""
    return card.data_sha256 is not None and card.split_salt == SPLIT_SALT


def _same_labels(candidate: Model, champion: Model, table: Table) -> bool:
    features = champion.card.features
    names = [feature.name for feature in features]
    if {f.name for f in candidate.card.features} != set(names):
        return False
    low, high = np.array([(f.minimum, f.maximum) for f in features]).T
    rows = np.vstack([table.columns(names), grid(low, high)])
    before, after = (answer(model, rows, names).labels for model in (champion, candidate))
    return bool(np.array_equal(before, after))


def costs(
    candidate: tuple[Model, bytes], champion: tuple[Model, bytes] | None
) -> tuple[Cost, Cost | None]:
    """Measure what both cost, turn by turn, so that what disturbs one disturbs the other.

    Noise only adds time: of `ROUNDS` rounds the best counts, for each figure by itself.
    """
    both = [candidate] if champion is None else [candidate, champion]
    rounds: list[list[tuple[float, float]]] = [[] for _ in both]
    loads: list[list[float]] = [[] for _ in both]
    for _ in range(ROUNDS):
        for place, (model, data) in enumerate(both):
            rounds[place].append(_quantiles(model))
            if len(loads[place]) < 2:
                loads[place].append(_seconds_to_load(data))
    found = [
        Cost(min(p50 for p50, _ in times), min(p99 for _, p99 in times), len(data), min(load))
        for times, load, (_, data) in zip(rounds, loads, both, strict=True)
    ]
    return found[0], found[1] if champion else None


def _quantiles(model: Model) -> tuple[float, float]:
    """Return median and 99th percentile of calls with one row, in milliseconds."""
    row = np.array(model.card.golden.rows[:1])
    until = time.perf_counter() + MOST_SECONDS / ROUNDS
    times: list[float] = []
    while len(times) < CALLS and (len(times) < 3 or time.perf_counter() < until):
        begun = time.perf_counter()
        model.predict(row)
        times.append((time.perf_counter() - begun) * 1000)
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return float(p50), float(p99)


def _seconds_to_load(data: bytes) -> float:
    begun = time.perf_counter()
    load_model(data)
    return time.perf_counter() - begun
