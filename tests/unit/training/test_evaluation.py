from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss

from training.dataset import load_table
from training.evaluation import (
    SPLIT_SALT,
    Table,
    calibration_curve,
    held_out,
    measure,
    one_hot,
    read_table,
    recalls,
)

CLASSES = ["setosa", "versicolor", "virginica"]


def test_split_of_iris() -> None:
    """Exactly 60 of iris' 150 rows are left out, 20 of each species, for ever the same."""
    table = load_table(None)
    out = held_out(table)
    assert SPLIT_SALT == "iris-1170"
    assert Counter(table.part(out).labels) == dict.fromkeys(CLASSES, 20)
    assert np.flatnonzero(out).tolist()[:8] == [2, 4, 5, 6, 8, 11, 12, 16]


@given(st.lists(st.lists(st.floats(0.05, 20), min_size=4, max_size=4), min_size=1, max_size=20))
def test_equal_rows_never_straddle(rows: list[list[float]]) -> None:
    """A row goes where its values say, whatever stands around it and whatever it is labelled."""
    features = ["a", "b", "c", "d"]
    once = Table(np.array(rows), ["setosa"] * len(rows), features)
    again = Table(np.array(rows[::-1] * 2), ["virginica"] * len(rows) * 2, features)
    assert held_out(again).tolist() == held_out(once).tolist()[::-1] * 2


def test_share_left_out() -> None:
    """Two fifths of the rows are left out."""
    rows = np.random.default_rng(0).uniform(0, 10, (5000, 4))
    table = Table(rows, [""] * 5000, ["a", "b", "c", "d"])
    assert 0.38 < held_out(table).mean() < 0.42


def test_metrics_agree_with_scikit_learn() -> None:
    """Our metrics are the ones that everybody knows by these names."""
    random = np.random.default_rng(1)
    probabilities = random.dirichlet([1, 1, 1], 200)
    labels = random.choice(CLASSES, 200).tolist()
    predicted = [CLASSES[i] for i in probabilities.argmax(axis=1)]
    measured = measure(labels, probabilities, CLASSES)
    assert measured["accuracy"] == np.mean(np.array(labels) == np.array(predicted))
    assert measured["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert measured["log_loss"] == pytest.approx(log_loss(labels, probabilities, labels=CLASSES))
    truth = one_hot(labels, CLASSES)
    assert measured["brier"] == pytest.approx(((truth - probabilities) ** 2).sum() / 200)


def test_calibration_error_by_hand() -> None:
    """Four answers at 0.9 of which three are right lie 0.15 from being calibrated."""
    probabilities = np.array([[0.9, 0.05, 0.05]] * 4)
    labels = ["setosa"] * 3 + ["virginica"]
    (only,) = calibration_curve(one_hot(labels, CLASSES), probabilities)
    assert only == pytest.approx((0.9, 0.75, 4))
    assert measure(labels, probabilities, CLASSES)["calibration_error"] == pytest.approx(0.15)


def test_certainly_wrong_is_not_infinite() -> None:
    """A model that is wrong with certainty scores badly, and the score stays a number."""
    measured = measure(["setosa"], np.array([[0.0, 1.0, 0.0]]), CLASSES)
    assert 30 < measured["log_loss"] < 40


def test_recalls() -> None:
    """Recall counts within a class only."""
    assert recalls(["a", "a", "b"], ["a", "b", "b"]) == {"a": 0.5, "b": 1.0}


def test_csv_is_read_as_it_was_written() -> None:
    """The table that gates read from the store is the table that was trained on, to the bit."""
    table = load_table(None)
    again = read_table(table.to_csv())
    assert again.rows.tobytes() == table.rows.tobytes()
    assert (again.labels, again.features) == (table.labels, table.features)
    assert again.sha256 == table.sha256


def test_columns_by_name() -> None:
    """A model that takes its columns in another order gets them in that order."""
    table = load_table(None)
    swapped = table.columns(["petal_width", "sepal_length"])
    assert swapped[0].tolist() == [table.rows[0, 3], table.rows[0, 0]]
