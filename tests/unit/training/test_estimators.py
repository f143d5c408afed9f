import pickle
from pathlib import Path

import joblib
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

from training.errors import NotExportable, UntrustedModel
from training.estimators import check_file, check_skops, load_pickle, load_skops
from training.table import Table


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_pickle_is_not_opened_unasked(tmp_path: Path) -> None:
    """No code of a pickle runs before somebody says that it is trusted."""
    file, sign = tmp_path / "model.pkl", tmp_path / "sign"
    file.write_bytes(pickle.dumps(Canary(sign)))
    for refusing in (load_pickle, check_file):
        with pytest.raises(UntrustedModel, match="runs whatever code it holds"):
            refusing(file, trust=False)
    assert not sign.exists()
    load_pickle(file, trust=True)
    assert sign.exists()


def test_pickle_that_calls_itself_skops(tmp_path: Path) -> None:
    """A name does not make a pickle load: skops files are read by skops alone."""
    file, sign = tmp_path / "model.skops", tmp_path / "sign"
    file.write_bytes(pickle.dumps(Canary(sign)))
    with pytest.raises(NotExportable, match=r"model.skops can't be loaded"):
        load_skops(file)
    assert not sign.exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x05broken", b"cnowhere\nnothing\n."])
def test_broken_pickle(tmp_path: Path, content: bytes) -> None:
    """A trusted file that does not load is refused in words."""
    file = tmp_path / "model.pkl"
    file.write_bytes(content)
    with pytest.raises(NotExportable, match=r"model.pkl can't be loaded"):
        load_pickle(file, trust=True)


def test_missing_file(tmp_path: Path) -> None:
    """A path that leads nowhere is refused in words."""
    with pytest.raises(NotExportable, match="is no file"):
        check_file(tmp_path / "none.pkl", trust=True)


def test_skops_with_foreign_types(tmp_path: Path) -> None:
    """A skops file with types beyond scikit-learn's own classifiers is refused."""
    file = tmp_path / "model.skops"
    skops.io.dump(GaussianNB(priors=Canary(tmp_path)), file)
    with pytest.raises(UntrustedModel, match="Canary"):
        load_skops(file)
    with pytest.raises(NotExportable, match="Canary"):
        check_skops(GaussianNB(priors=Canary(tmp_path)))


def test_own_formats_come_back(iris: Table, tmp_path: Path) -> None:
    """A forest comes back from skops and from joblib as it went."""
    forest = RandomForestClassifier(3, random_state=0).fit(iris.rows, iris.labels)
    check_skops(forest)
    skops.io.dump(forest, tmp_path / "model.skops")
    joblib.dump(forest, tmp_path / "model.joblib", compress=3)
    for loaded in (
        load_skops(tmp_path / "model.skops"),
        load_pickle(tmp_path / "model.joblib", trust=True),
    ):
        assert loaded.predict(iris.rows).tolist() == forest.predict(iris.rows).tolist()
