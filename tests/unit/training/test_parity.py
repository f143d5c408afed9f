from typing import Any, Literal

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.card import Origin, draft
from training.errors import NotExportable, ParityMissed
from training.export import Exported, export
from training.parity import compare, probes
from training.table import Table


def _export(estimator: Any, iris: Table, dtype: Literal["float32", "float64"]) -> Exported:
    estimator.fit(iris.rows, iris.labels)
    card = draft(estimator, iris, sorted(set(iris.labels)), dtype, Origin())
    return export(estimator, card, probes(iris.rows))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forest_behind_a_scaler(iris: Table, dtype: Literal["float32", "float64"]) -> None:
    """A scaler rounds values across thresholds; such a file is refused, with the way out."""
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(random_state=0))
    with pytest.raises(ParityMissed, match="trees must not stand behind a scaler"):
        _export(forest, iris, dtype)


def test_forest_in_float64(iris: Table) -> None:
    """Rows that lie exactly on thresholds show that a forest needs float32."""
    with pytest.raises(ParityMissed, match="a probability by"):
        _export(RandomForestClassifier(random_state=0), iris, "float64")


def test_no_onnx_form(iris: Table) -> None:
    """An estimator without an ONNX form is refused in words, whatever the converter raises."""
    with pytest.raises(NotExportable, match="HistGradientBoostingClassifier can't be made into"):
        _export(HistGradientBoostingClassifier(max_iter=5), iris, "float32")


def test_altered_model(iris: Table) -> None:
    """A file is compared with the estimator itself, so any other estimator is found out."""
    estimator = LogisticRegression(max_iter=1000).fit(iris.rows, iris.labels)
    card = draft(estimator, iris, sorted(set(iris.labels)), "float64", Origin())
    exported = export(estimator, card, probes(iris.rows))
    estimator.coef_ = np.flipud(estimator.coef_)
    with pytest.raises(ParityMissed, match="labels differ"):
        compare(exported.file.model, estimator, probes(iris.rows))


def test_probes_reach_beyond(iris: Table) -> None:
    """Parity is asked on every row of the table, and beyond its ranges on both sides."""
    asked = probes(iris.rows)
    assert {tuple(row) for row in iris.rows.tolist()} <= {tuple(row) for row in asked.tolist()}
    assert (asked.min(axis=0) < iris.rows.min(axis=0)).all()
    assert (asked.max(axis=0) > iris.rows.max(axis=0)).all()
