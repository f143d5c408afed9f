"""What a training run knows, before anything of it is written down."""

from dataclasses import dataclass

from training.export import Exported, ModelFile
from training.search import DECIDING_METRIC, Found
from training.table import Table


@dataclass(frozen=True)
class Order:
    """What was asked for: the whole of what a model follows from, libraries aside."""

    table: Table
    kinds: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Trial:
    """A candidate: what the search found, and the file it would be."""

    found: Found
    exported: Exported
    call_seconds: float

    @property
    def kind(self) -> str:
        """The candidate's name."""
        return self.found.candidate.kind

    @property
    def deciding(self) -> float:
        """What the choice goes by; less is better."""
        return self.found.scores[DECIDING_METRIC].mean


@dataclass(frozen=True)
class Trained:
    """All trials, the chosen one, and how it did on the rows left out."""

    order: Order
    outside: Table
    trials: list[Trial]
    chosen: Trial
    metrics: dict[str, float]
    file: ModelFile
