import pkgutil

import numpy as np
import pytest

from training import candidates
from training.candidates import KINDS, make
from training.card import Origin, draft
from training.evaluation import SPLIT_SALT, held_out
from training.export import Exported, export
from training.parity import probes
from training.search import Found, search, settings_of
from training.table import Table


def _found(kind: str, table: Table, seed: int = 1) -> Found:
    return search(make(kind, seed), table.part(~held_out(table)), seed, lambda: None)


def _exported(found: Found, table: Table) -> Exported:
    labels = [str(label) for label in found.estimator.classes_]
    origin = Origin(table.sha256, SPLIT_SALT, 1)
    card = draft(found.estimator, table, labels, found.candidate.input_dtype, origin)
    return export(found.estimator, card, probes(table.rows))


def test_list_and_folder_agree() -> None:
    """Every file in the folder is a candidate, and every candidate has its file."""
    assert sorted(KINDS) == sorted(m.name for m in pkgutil.iter_modules(candidates.__path__))
    assert [make(kind, 1).kind for kind in KINDS] == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_candidate(kind: str, iris: Table) -> None:
    """Each candidate is worth its place: it learns, and its file answers exactly as it does."""
    found = _found(kind, iris)
    exported = _exported(found, iris)
    assert found.parameters in settings_of(found.candidate)
    assert found.scores["accuracy"].mean > 0.9
    assert exported.file.card.parity.differing_labels == 0
    assert exported.file.card.parity.rows > 15_000
    released = exported.released({"accuracy": 1.0})
    assert released.card.metrics == {"accuracy": 1.0}
    assert released.sha256 != exported.file.sha256


def test_search_follows_from_the_seed(iris: Table) -> None:
    """The same seed finds the same, another seed deals the rows out otherwise."""
    once, again, other = (_found("logistic", iris, seed) for seed in (1, 1, 2))
    assert once.scores == again.scores
    assert once.scores != other.scores
    assert _exported(once, iris).file.data == _exported(again, iris).file.data


def test_search_sees_training_rows_only(iris: Table) -> None:
    """What the rows left out hold can't change what is found."""
    spoiled = Table(iris.rows.copy(), list(iris.labels), iris.features)
    out = held_out(iris)
    spoiled.rows[out] = 1.0
    inside = [table.part(~out) for table in (iris, spoiled)]
    one, two = (search(make("discriminant", 1), t, 1, lambda: None) for t in inside)
    assert np.array_equal(one.estimator.means_, two.estimator.means_)
    assert one.scores == two.scores


def test_card_says_where_a_model_comes_from(iris: Table) -> None:
    """A model file names data, split and seed, units and ranges, and nothing that a clock says."""
    card = _exported(_found("discriminant", iris), iris).file.card
    assert (card.data_sha256, card.split_salt, card.seed) == (iris.sha256, "iris-1170", 1)
    assert card.labels == ["setosa", "versicolor", "virginica"]
    petal = card.features[3]
    assert (petal.name, petal.unit, petal.minimum, petal.maximum) == ("petal_width", "cm", 0.1, 2.5)
    assert sum(petal.histogram.counts) == 150
    assert card.label_counts == [50, 50, 50]
    golden = {card.labels[int(np.argmax(row))] for row in card.golden.probabilities}
    assert golden == set(card.labels)
