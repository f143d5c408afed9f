from pathlib import Path

import msgspec
import numpy as np
import pytest

from artifacts.digests import sha256_hex
from artifacts.model import load_model
from load_tests.suite.answers import Described, from_files, from_golden
from load_tests.suite.errors import UsageError
from load_tests.suite.questions import Feature, draw
from tests.support.model_files import FEATURES, LABELS, model_file

POOL = draw([Feature(name, 0.1, 8.0) for name in FEATURES], 200)


def test_what_is_right_is_what_the_model_file_gives(tmp_path: Path) -> None:
    """Read past our own reader, it is the same: labels, probabilities, values out of range."""
    data = model_file()
    file = tmp_path / "model.onnx"
    file.write_bytes(data)
    expected = from_files([file], POOL)[sha256_hex(data)]
    assert expected.labels == list(LABELS)
    assert np.allclose(
        expected.probabilities, load_model(data).predict(np.array(POOL)), rtol=0, atol=1e-15
    )
    for row, warned in zip(POOL, expected.warnings, strict=True):
        outside = {n: v for n, v in zip(FEATURES, row, strict=True) if not 0.1 <= v <= 8.0}
        assert warned == outside


def test_each_release_has_answers_of_its_own(tmp_path: Path) -> None:
    """A promotion changes what is right, at the digest that the answer names."""
    files = []
    for tilt in (0.0, 3.0):
        file = tmp_path / f"{tilt}.onnx"
        file.write_bytes(model_file(tilt=tilt))
        files.append(file)
    one, other = from_files(files, POOL).values()
    assert one.probabilities != other.probabilities


def test_what_is_no_model_file_is_refused(tmp_path: Path) -> None:
    """With its name, and before anything is sent."""
    file = tmp_path / "other.onnx"
    with pytest.raises(UsageError, match=r"other\.onnx cannot be read"):
        from_files([file], POOL)
    file.write_bytes(b"no model")
    with pytest.raises(UsageError, match=r"other\.onnx is no model file"):
        from_files([file], POOL)


def test_golden_rows_stand_in_for_a_file() -> None:
    """What the model shows of itself is the least that is known; only these rows are sent then."""
    card = load_model(model_file()).card
    features = [Feature(name, 0.1, 8.0) for name in FEATURES]
    served = Described(features=features, labels=list(LABELS), sha256="d")
    with pytest.raises(UsageError, match="MODEL="):
        from_golden(served)
    found = from_golden(msgspec.structs.replace(served, golden=card.golden))
    assert found.pool == card.golden.rows
    assert found.expected["d"].probabilities == card.golden.probabilities
