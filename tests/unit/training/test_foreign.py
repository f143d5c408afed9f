from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from training.errors import NotExportable
from training.foreign import UNKNOWN_ROWS, release_of
from training.table import Table

SCIKIT_LEARN_NAMES = [
    "sepal length (cm)",
    "sepal width (cm)",
    "petal length (cm)",
    "petal width (cm)",
]


def _numbers(iris: Table) -> list[int]:
    return [sorted(set(iris.labels)).index(label) for label in iris.labels]


def test_as_a_notebook_makes_it(iris: Table) -> None:
    """A model of scikit-learn's own data frame and numbers becomes a release with names."""
    frame = pd.DataFrame(iris.rows, columns=SCIKIT_LEARN_NAMES)
    estimator = LogisticRegression(max_iter=1000).fit(frame, _numbers(iris))
    file, notes = release_of(estimator, iris, None)
    assert [feature.name for feature in file.card.features] == iris.features
    assert file.card.labels == ["setosa", "versicolor", "virginica"]
    assert notes == [
        UNKNOWN_ROWS,
        "taken for granted: its classes 0, 1, 2 are setosa, versicolor, virginica",
    ]


def test_what_is_not_known_is_none(iris: Table) -> None:
    """A release of a model from elsewhere claims no data, no split, no seed, no mix of rows."""
    file, _ = release_of(GaussianNB().fit(iris.rows, iris.labels), iris, None)
    assert (file.card.data_sha256, file.card.split_salt, file.card.seed) == (None, None, None)
    assert file.card.label_counts is None


def test_closer_input_type_is_taken(iris: Table) -> None:
    """Nobody says which input type suits a model from elsewhere, so the closer file is taken."""
    smooth, _ = release_of(GaussianNB().fit(iris.rows, iris.labels), iris, None)
    forest = RandomForestClassifier(20, random_state=0).fit(iris.rows, iris.labels)
    trees, _ = release_of(forest, iris, None)
    assert (smooth.card.input_dtype, trees.card.input_dtype) == ("float64", "float32")


def test_columns_in_another_order(iris: Table) -> None:
    """A model keeps the order of its own columns, and the file says which it is."""
    names = ["petal_width", "sepal_length"]
    estimator = GaussianNB().fit(pd.DataFrame(iris.columns(names), columns=names), iris.labels)
    file, _ = release_of(estimator, iris, None)
    assert [feature.name for feature in file.card.features] == names
    assert file.card.features[0].maximum == 2.5


def test_names_given(iris: Table) -> None:
    """Numbered classes take the names that somebody gives, in the model's order."""
    estimator = GaussianNB().fit(iris.rows, [9 - number for number in _numbers(iris)])
    file, _ = release_of(estimator, iris, ["virginica", "versicolor", "setosa"])
    assert file.card.metrics["accuracy"] > 0.9


def _fitted(estimator: Any, iris: Table, labels: Any = None) -> Any:
    return estimator.fit(iris.rows, iris.labels if labels is None else labels)


def test_unfit(iris: Table) -> None:
    """What can be no classifier of flowers is refused, each with its reason."""
    unnamed = GaussianNB().fit(iris.rows[:, :2], iris.labels)
    colours = GaussianNB().fit(pd.DataFrame(iris.rows, columns=list("abcd")), iris.labels)
    refused: list[tuple[Any, str]] = [
        ({"weights": [1]}, "dict is no scikit-learn classifier"),
        (_fitted(LinearRegression(), iris, _numbers(iris)), "LinearRegression is no scikit-learn"),
        (LogisticRegression(), "LogisticRegression is not fitted"),
        (_fitted(LinearSVC(), iris), "LinearSVC gives no probabilities"),
        (unnamed, "takes 2 columns without names"),
        (colours, "takes the columns a, b, c, d; known are sepal_length"),
        (_fitted(GaussianNB(), iris, [n + 1 for n in _numbers(iris)]), "classes are 1, 2, 3"),
    ]
    for estimator, reason in refused:
        with pytest.raises(NotExportable, match=reason):
            release_of(estimator, iris, None)


def test_made_by_another_version(iris: Table) -> None:
    """A model that breaks when it is asked is refused in words."""
    estimator = _fitted(GaussianNB(), iris)
    del estimator.var_
    with pytest.raises(NotExportable, match="does not answer here: AttributeError"):
        release_of(estimator, iris, None)
