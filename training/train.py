"""From a table to a registered version.

The order protects what is written: the table first, under its own digest; nothing in MLflow until
the model is chosen and its parity proven; the version last, with all its tags at once. Killed at
any moment, a run leaves at most an unfinished run behind that no version refers to, and the same
command goes through again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from artifacts.store import Store
from training.candidates import Candidate, make
from training.card import Origin, draft
from training.errors import NotExportable, ParityMissed
from training.evaluation import SPLIT_SALT, held_out, measure
from training.export import ModelFile, export, seconds_a_call
from training.parity import probes
from training.progress import Progress
from training.record import data_blob, record, version_tags
from training.search import DECIDING_METRIC, search, settings_of
from training.table import Table
from training.tracking import Tracking
from training.trial import Order, Trained, Trial


@dataclass(frozen=True)
class Registered:
    """The version that holds a model file, whether this run made it, what is not known."""

    version: int
    new: bool
    file: ModelFile
    notes: Sequence[str] = ()


def train(order: Order, store: Store, tracking: Tracking, progress: Progress) -> Registered:
    """Train the candidates, choose one, and register it.

    Args:
        order: rows, candidates and seed.
        store: keeps the rows, for whoever compares versions later.
        tracking: MLflow.
        progress: what is told meanwhile.
    """
    keep(order.table, store)
    trained = choose(order, run_trials(order, progress))
    file, chosen = trained.file, trained.chosen.kind
    known = tracking.version_of(file.sha256)
    if known is not None:
        tracking.point_challenger()  # whoever registered it may have been killed before that
        return Registered(known, new=False, file=file)
    progress.say(f"{chosen} is chosen; logging the run")
    run_id, model = record(tracking, trained)
    version = tracking.register(model, run_id, version_tags(file, run_id))
    return Registered(version, new=True, file=file)


def keep(table: Table, store: Store) -> None:
    """Put the table into the store under its digest."""
    store.records.create(data_blob(table), table.to_csv())


def run_trials(order: Order, progress: Progress) -> list[Trial]:
    """Search each candidate on the training rows, and make a file of what was found.

    A candidate whose file misses parity is out of the race.

    Raises:
        ParityMissed: none is left.
    """
    candidates = [make(kind, order.seed) for kind in order.kinds]
    trials = []
    with progress.counting("training", sum(len(settings_of(c)) for c in candidates)) as tried:
        for candidate in candidates:
            try:
                trials.append(_try(candidate, order, tried))
            except (NotExportable, ParityMissed) as error:
                progress.say(f"{candidate.kind} is out: {error.message}")
            else:
                score = trials[-1].found.scores[DECIDING_METRIC]
                progress.say(f"{candidate.kind}: log loss {score.mean:.3f} ± {score.spread:.3f}")
    if not trials:
        raise ParityMissed("no candidate's model file answers as its estimator does")
    return trials


def _try(candidate: Candidate, order: Order, tried: Callable[[], None]) -> Trial:
    inside = order.table.part(~held_out(order.table))
    found = search(candidate, inside, order.seed, tried)
    labels = [str(label) for label in found.estimator.classes_]
    origin = Origin(order.table.sha256, SPLIT_SALT, order.seed)
    card = draft(found.estimator, inside, labels, candidate.input_dtype, origin)
    exported = export(found.estimator, card, probes(order.table.rows))
    return Trial(found, exported, seconds_a_call(exported.file.model))


def choose(order: Order, trials: list[Trial]) -> Trained:
    """Choose by cross-validation; only then, and only for the chosen, ask the rows left out."""
    chosen = min(trials, key=lambda trial: trial.deciding)
    outside = order.table.part(held_out(order.table))
    model = chosen.exported.file.model
    metrics = measure(outside.labels, model.predict(outside.rows), model.card.labels)
    return Trained(order, outside, trials, chosen, metrics, chosen.exported.released(metrics))
