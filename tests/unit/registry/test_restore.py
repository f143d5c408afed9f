"""The file of a release that is gone or was overwritten comes back by its digest, or not at all."""

import shutil
from pathlib import Path

import pytest

from artifacts.errors import BlobNotFound, DigestMismatch
from registry.errors import NothingToDo, VersionUnfit
from registry.promotion import Request, promote
from registry.reconcile import reconcile_to_serving
from registry.restore import restore_file
from registry.rollout import Instance
from registry.screens import restored_screen
from registry.status import file_troubles
from tests.unit.registry.fakes import World
from tests.unit.registry.test_reconcile import BY_HAND, HAND

BLOB = "iris-classifier/v1/model.onnx"


@pytest.fixture
def promoted(world: World) -> World:
    """Return an environment in which version 1 serves, and a copy of its store."""
    promote(world.work(), Request(world.register()))
    shutil.copytree(world.folder / "store", world.folder / "copy")
    return world


def file_of(world: World) -> Path:
    """Return the file of version 1."""
    return world.folder / "store" / "models" / BLOB


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("other", [b"another", None])
def test_a_file_comes_back(promoted: World, other: bytes | None, copy: bool) -> None:
    """From MLflow or from the copy; what it replaces is said."""
    before = file_of(promoted).read_bytes()
    file_of(promoted).unlink() if other is None else file_of(promoted).write_bytes(other)
    if copy:
        promoted.versions.down = True
    source = str(promoted.folder / "copy") if copy else None
    restored = restore_file(promoted.work(), "1", source)
    assert file_of(promoted).read_bytes() == before
    assert ("was replaced" in restored_screen(restored)) == (other is not None)
    assert file_troubles(promoted.work().store.models, restored.release) == []


def test_a_file_that_is_right_is_left_alone(promoted: World) -> None:
    """MLflow is not even asked."""
    before = file_of(promoted).stat()
    promoted.versions.down = True
    assert not restore_file(promoted.work(), "1", None).done
    assert file_of(promoted).stat() == before


def test_a_copy_that_is_another_file_is_refused(promoted: World) -> None:
    """What lies there stays, wrong as it is."""
    file_of(promoted).write_bytes(b"another")
    (promoted.folder / "copy" / "models" / BLOB).write_bytes(b"a third")
    promoted.versions.files[1] = b"a fourth"
    for source in (None, str(promoted.folder / "copy")):
        with pytest.raises(DigestMismatch, match="the copy in"):
            restore_file(promoted.work(), "1", source)
    promoted.versions.digests[1] = "0" * 64
    with pytest.raises(DigestMismatch, match="is not what was released"):
        restore_file(promoted.work(), "1", None)
    assert file_of(promoted).read_bytes() == b"another"


def test_a_copy_that_is_not_there_is_told(promoted: World) -> None:
    """By both."""
    file_of(promoted).unlink()
    del promoted.versions.files[1]
    with pytest.raises(VersionUnfit, match="no version 1"):
        restore_file(promoted.work(), "1", None)
    with pytest.raises(BlobNotFound):
        restore_file(promoted.work(), "1", str(promoted.folder / "nowhere"))


def test_what_was_put_in_by_hand_has_a_copy_in_another_store_alone(promoted: World) -> None:
    """MLflow never had it."""
    promoted.work().store.models.create(BY_HAND.blob, HAND)
    promoted.target.put(BY_HAND)
    promoted.target.report([Instance("i", BY_HAND, ready=True)])
    reconcile_to_serving(promoted.work(), "it was urgent")
    (promoted.folder / "store" / "models" / BY_HAND.blob).unlink()
    with pytest.raises(VersionUnfit, match="by hand"):
        restore_file(promoted.work(), BY_HAND.version, None)


def test_a_release_that_there_never_was_is_refused(promoted: World) -> None:
    """The ledger alone says which digest is right."""
    with pytest.raises(NothingToDo, match="knows no digest"):
        restore_file(promoted.work(), "7", None)
