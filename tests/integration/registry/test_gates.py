"""`iris gates` on a real MLflow: what is as good passes, and what learned nothing fails."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from artifacts.settings import load
from artifacts.store import open_store
from registry.events import Recording
from registry.promotion import Request, promote
from registry.settings import RegistrySettings
from registry.workspace import Workspace
from tests.integration.registry.commands import iris
from tests.integration.registry.register import register
from tests.unit.registry.fakes import FakeTarget
from training.card import Origin, draft
from training.dataset import load_table
from training.evaluation import SPLIT_SALT, Table, held_out
from training.export import export
from training.parity import probes
from training.table import sorted_table
from training.train import keep


@pytest.fixture(scope="module")
def promoted(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which version 1 was promoted, onto what serves in memory."""
    home = tmp_path_factory.mktemp("promoted") / "home"
    shutil.copytree(trained, home, ignore=shutil.ignore_patterns("mlflow"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRIS_HOME", str(home))
        promote(Workspace(load(RegistrySettings), FakeTarget, Recording()), Request(1))
    return home


@pytest.fixture(scope="module")
def left_for_training() -> Table:
    """The rows of iris that training sees."""
    table = load_table(None)
    return table.part(~held_out(table))


def retrained(rows: Table, labels: list[str], data_sha256: str = "") -> bytes:
    """Train on these labels of rows of iris, or of other data, and return the file to release."""
    estimator = LogisticRegression(max_iter=1000).fit(rows.rows, labels)
    origin = Origin(data_sha256 or load_table(None).sha256, SPLIT_SALT, 1)
    card = draft(estimator, rows, sorted(set(labels)), "float64", origin)
    return export(estimator, card, probes(rows.rows)).released({"accuracy": 0.33}).data


def trained_on(home: Path, folder: Path, table: Table) -> int:
    """Train on a table of one's own, keep it as training does, and return the version."""
    keep(table, open_store(load(RegistrySettings, {"IRIS_HOME": str(home)}).store_uri))
    left = table.part(~held_out(table))
    return register(home, folder, retrained(left, left.labels, table.sha256))


def quality(home: Path, version: int, code: int) -> str:
    """Ask the gates about a version, and return the line of quality in their table."""
    lines = iris(home, "gates", str(version), code=code).stdout.splitlines()
    return next(line for line in lines if line.startswith("quality "))


def test_an_equal_passes_on_iris(promoted: Path) -> None:
    """60 rows are enough for what was trained alike with another seed."""
    assert "  pass  " in quality(promoted, 2, code=0)


def test_retrained_on_the_same_labels_it_passes(
    promoted: Path, tmp_path: Path, left_for_training: Table
) -> None:
    """So that it is the labels which fail it below."""
    data = retrained(left_for_training, left_for_training.labels)
    assert "  pass  " in quality(promoted, register(promoted, tmp_path, data), code=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_retrained_on_shuffled_labels_it_fails(
    promoted: Path, tmp_path: Path, left_for_training: Table, seed: int
) -> None:
    """What learned from noise does not get past the gates, however well it was made otherwise."""
    shuffled = np.random.default_rng(seed).permutation(left_for_training.labels).tolist()
    data = retrained(left_for_training, shuffled)
    assert "  fail  " in quality(promoted, register(promoted, tmp_path, data), code=1)


def test_trained_from_a_table_of_shuffled_labels_it_fails(promoted: Path, tmp_path: Path) -> None:
    """Also where its own rows judge it, on which the champion is no better."""
    table = load_table(None)
    shuffled = np.random.default_rng(1).permutation(table.labels).tolist()
    (tmp_path / "shuffled.csv").write_bytes(Table(table.rows, shuffled, table.features).to_csv())
    told = iris(promoted, "train", "--only", "logistic", "--data", str(tmp_path / "shuffled.csv"))
    version = int(told.stdout.split("registered version ")[1].split()[0])
    assert "  fail  " in quality(promoted, version, code=1)


def test_trained_from_a_table_of_swapped_labels_it_fails(promoted: Path, tmp_path: Path) -> None:
    """Its own rows say that it is right and the champion wrong; the champion's say otherwise."""
    table, swap = load_table(None), {"versicolor": "virginica", "virginica": "versicolor"}
    labels = [swap.get(label, label) for label in table.labels]
    version = trained_on(promoted, tmp_path, sorted_table(table.rows, labels, table.features))
    line = quality(promoted, version, code=1)
    assert "  fail  " in line
    assert "on the champion's data: " in line


def test_trained_from_the_same_table_with_more_rows_it_passes(
    promoted: Path, tmp_path: Path
) -> None:
    """What one trains anew for needs nobody's word: it is as good on either table."""
    table, rng = load_table(None), np.random.default_rng(1)
    more = (table.rows + rng.uniform(-0.1, 0.1, table.rows.shape)).round(2)
    rows, labels = np.vstack([table.rows, more]), table.labels * 2
    version = trained_on(promoted, tmp_path, sorted_table(rows, labels, table.features))
    told = iris(promoted, "gates", str(version)).stdout
    assert f"version {version} passes: iris promote {version}" in told
    assert "The champion has other data" in told
