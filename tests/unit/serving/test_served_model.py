"""What the inference service refuses to serve, and which rows it takes."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifacts.errors import (
    CorruptModelFile,
    DigestMismatch,
    ModelFileError,
    PickleRefused,
    SettingsError,
)
from artifacts.model import load_model
from artifacts.model_bytes import check_bytes
from artifacts.release import Release, registry_release
from serving.inference.instance import Instance
from serving.inference.served_model import ServedModel, load_served_model
from tests.support.model_files import ROWS, model_file

DATA = model_file()
RELEASE = registry_release(3, check_bytes(DATA))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The model file, as it was downloaded."""
    path = tmp_path / "model.onnx"
    path.write_bytes(DATA)
    return path


@pytest.fixture(scope="module")
def served() -> ServedModel:
    """The model, loaded."""
    return ServedModel(load_model(DATA), RELEASE, datetime.now(UTC))


def test_a_release_whose_digest_matches_is_loaded_and_described(path: Path) -> None:
    """What serves says its version, digest, blob, and that the digest was the one asked for."""
    description = load_served_model(path, RELEASE.environ()).describe()
    assert description["version"] == "3"
    assert description["sha256"] == RELEASE.sha256
    assert description["blob"] == "iris-classifier/v3/model.onnx"
    assert description["verified"] is True
    assert description["features"][0]["name"] == "sepal_length"
    assert len(description["golden"]["rows"]) == len(ROWS)


def test_how_the_training_rows_were_mixed_is_told_where_it_is_known(path: Path) -> None:
    """Who compares what is predicted with it finds it by label; unknown is absent, and never 0."""
    assert load_served_model(path, RELEASE.environ()).describe()["label_counts"] == {
        "setosa": 40,
        "versicolor": 40,
        "virginica": 40,
    }
    unknown = load_model(model_file(label_counts=None))
    assert "label_counts" not in ServedModel(unknown, RELEASE, datetime.now(UTC)).describe()


def test_a_digest_left_behind_by_a_hand_edit_counts_as_not_given(path: Path) -> None:
    """A digest that names another blob is ignored, and the model is shown as unverified."""
    environ = {**RELEASE.environ(), "MODEL_BLOB_NAME": "hand/model.onnx", "MODEL_VERSION": "hand"}
    description = load_served_model(path, environ).describe()
    assert (description["version"], description["verified"]) == ("hand", False)
    assert description["sha256"] == RELEASE.sha256


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DATA[:-1], DigestMismatch),
        (DATA[: len(DATA) // 2], DigestMismatch),
        (bytes([DATA[0], DATA[1] ^ 1]) + DATA[2:], DigestMismatch),
        (b"\x80\x04\x95rest of a pickle", PickleRefused),
        (model_file(tilt=1.0), DigestMismatch),
    ],
    ids=["cut by a byte", "cut in half", "a bit flipped", "a pickle", "another model"],
)
def test_a_file_that_is_not_the_release_is_refused(
    path: Path, data: bytes, expected: type[ModelFileError]
) -> None:
    """Nothing but the very bytes that were promoted is served."""
    path.write_bytes(data)
    with pytest.raises(expected):
        load_served_model(path, RELEASE.environ())


def test_a_model_that_misses_its_golden_rows_is_refused(path: Path) -> None:
    """A machine that computes something else than the training machine did serves nothing."""
    data = model_file(golden_error=1e-9)
    path.write_bytes(data)
    with pytest.raises(CorruptModelFile, match="golden rows differ"):
        load_served_model(path, registry_release(3, check_bytes(data)).environ())


def test_a_missing_file_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    """The reason names the path and what puts a file there."""
    with pytest.raises(ModelFileError, match=r"(?s)model.onnx.*serving.download_model"):
        load_served_model(tmp_path / "model.onnx", RELEASE.environ())


def test_an_unnamed_release_is_a_wrong_setting(path: Path) -> None:
    """A process that does not know its release does not start."""
    with pytest.raises(SettingsError, match="MODEL_VERSION"):
        load_served_model(path, {})


def test_rows_of_the_models_width_are_taken(served: ServedModel) -> None:
    """Integers are numbers too."""
    rows = served.rows([[5, 3, 1, 0], *ROWS])
    assert rows.dtype == np.float64
    assert rows.shape == (4, 4)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "rows",
        {},
        [],
        [[]],
        [5.1, 3.5, 1.4, 0.2],
        [[5.1, 3.5, 1.4]],
        [[5.1, 3.5, 1.4, 0.2, 0.0]],
        [[5.1, 3.5, 1.4, 0.2], [5.1]],
        [[[5.1, 3.5, 1.4, 0.2]]],
        [["5.1", 3.5, 1.4, 0.2]],
        [[True, False, True, False]],
        [[None, 3.5, 1.4, 0.2]],
        [[math.nan, 3.5, 1.4, 0.2]],
        [[math.inf, 3.5, 1.4, 0.2]],
        [[10**400, 3, 1, 0]],
    ],
    ids=repr,
)
def test_rows_that_would_fail_a_batch_are_refused_before_it(
    served: ServedModel, value: Any
) -> None:
    """One request's mistake never reaches the batch that it shares with others."""
    with pytest.raises(ValueError, match=r"expected|inhomogeneous"):
        served.rows(value)


def test_an_instance_that_cannot_load_keeps_the_reason_in_one_line(tmp_path: Path) -> None:
    """Status and reason are there for the health route and for the log's last line."""
    instance = Instance()
    environ = {**RELEASE.environ(), "MODEL_PATH": str(tmp_path / "model.onnx")}
    with pytest.raises(ModelFileError):
        instance.load(environ)
    assert instance.status == "failed"
    assert not instance.loaded
    assert "\n" not in instance.reason
    assert "model.onnx" in instance.reason


def test_an_instance_is_not_ready_until_it_is_warm(path: Path) -> None:
    """Loaded is not ready: the path through the batcher comes first."""
    instance = Instance()
    instance.load({**RELEASE.environ(), "MODEL_PATH": str(path)})
    before = instance.status
    instance.warmed()
    assert (before, instance.status) == ("loading", "ready")


def test_a_release_is_compared_whole() -> None:
    """Version, blob and digest together are the release."""
    assert Release("3", "b", None) != Release("3", "b", "0" * 64)
