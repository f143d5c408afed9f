"""The locks: in step with pyproject.toml and with each other, and lean where it matters."""

import pytest
from packaging.utils import canonicalize_name

from tests.unit.project.pyproject import ROOT, asked_for, pins, project

LOCKS = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))
TRAINING = {"matplotlib", "mlflow", "mlflow-skinny", "onnx", "pandas", "scikit-learn", "skops"}


def names(lock: str) -> set[str]:
    """Return the names of a lock's packages."""
    return {pin.name for pin in pins(lock)}


def test_every_extra_has_its_lock() -> None:
    """What an image holds is pinned: a new image gets a lock with its extra."""
    extras = set(project()["project"]["optional-dependencies"])
    assert set(LOCKS) == (extras - {"all"}) | {"bootstrap", "dev"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_is_asked_for(lock: str) -> None:
    """After a change of pyproject.toml the locks are made again: make lock."""
    versions: dict[str, list[str]] = {}
    for pin in pins(lock):
        versions.setdefault(pin.name, []).append(pin.version)
    for requirement in asked_for(lock):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement} is missing: make lock"
        assert all(map(requirement.specifier.contains, found)), f"{requirement}: make lock"


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock != "bootstrap"])
def test_a_lock_holds_nothing_that_is_no_longer_asked_for(lock: str) -> None:
    """What was taken out of pyproject.toml is out of the locks."""
    kept = {pin.name for pin in pins(lock) if pin.asked_for_by_us}
    assert kept == {canonicalize_name(requirement.name) for requirement in asked_for(lock)}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_a_part_of_the_one_that_is_tested(lock: str) -> None:
    """An image runs the very versions that the tests ran with."""
    tested = {(pin.name, pin.version) for pin in pins("dev")}
    assert {(pin.name, pin.version) for pin in pins(lock)} <= tested


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_each_file_by_its_digest_and_no_place(lock: str) -> None:
    """Whichever index a machine uses, it installs the same bytes or none."""
    assert all(pin.hashes for pin in pins(lock))
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_node_packages_are_named_by_digest_and_no_place() -> None:
    """The same for Azurite."""
    text = (ROOT / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert text.count('"integrity"') > 100


def test_the_inference_image_holds_nothing_that_trains() -> None:
    """A served model needs no more than ONNX Runtime."""
    assert not names("inference") & TRAINING


def test_the_gateway_image_holds_no_model() -> None:
    """The gateway passes numbers on and computes none."""
    assert not names("gateway") & (TRAINING | {"bentoml", "numpy", "onnxruntime"})


def test_the_init_container_holds_what_fetches_one_file() -> None:
    """It needs a store and a digest."""
    assert not names("download") & (TRAINING | {"bentoml", "mlflow", "numpy", "onnxruntime"})
