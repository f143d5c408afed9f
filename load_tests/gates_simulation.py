"""How often does a retrained equal pass the quality gate? `python -m load_tests.gates_simulation`.

Each candidate of training is fitted on iris' training rows, as the champion, and again with
another seed, or on a resample of them too, as the challenger; the gate's bound judges the rows
left out.
What it printed stands in `docs/gates.md`.
"""

import warnings
from collections import Counter
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.gates.statistics import loss_bounds
from training.candidates import KINDS
from training.dataset import load_table
from training.evaluation import held_out

ROUNDS = {"forest": 100, "boosting": 60, "network": 100}
OTHERS = 400
MARGINS = (0.05, 0.08, 0.10, 0.125)
CONFIDENCE = 0.95


def counts(kind: str, rng: np.random.Generator, *, resample: bool) -> Counter[tuple[int, int]]:
    """Return how often which numbers of lost and won rows came up for a kind of candidate."""
    table = load_table(None)
    outside = held_out(table)
    rows, labels = table.rows, np.array(table.labels)
    inside = np.flatnonzero(~outside)
    champion = _right(kind, 1, inside, rows, labels)[outside]
    found: Counter[tuple[int, int]] = Counter()
    for seed in range(2, 2 + ROUNDS.get(kind, OTHERS)):
        again = rng.choice(inside, len(inside)) if resample else inside
        challenger = _right(kind, seed, again, rows, labels)[outside]
        found[int((champion & ~challenger).sum()), int((challenger & ~champion).sum())] += 1
    return found


def _right(
    kind: str, seed: int, inside: NDArray[np.int64], rows: NDArray[np.float64], labels: Any
) -> NDArray[np.bool_]:
    estimator = import_module(f"training.candidates.{kind}").candidate(seed).estimator
    estimator.fit(rows[inside], labels[inside])
    return np.asarray(estimator.predict(rows) == labels)


def main() -> None:
    """Print a line for each kind of candidate and change: the share that passes each margin."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    print("kind", "change", *MARGINS, "most frequent (lost, won)", sep=" | ")  # noqa: T201
    for kind, resample in product(KINDS, (False, True)):
        found = counts(kind, rng, resample=resample)
        bounds = {pair: loss_bounds(*pair, 60, CONFIDENCE)[1] for pair in found}
        shares = [
            sum(count for pair, count in found.items() if bounds[pair] <= margin) / found.total()
            for margin in MARGINS
        ]
        cells = [kind, "resample" if resample else "seed", *(f"{share:.1%}" for share in shares)]
        print(*cells, found.most_common(4), sep=" | ", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
