"""A ReplicaSet serves one release for ever: the first of its pods decides, the others obey."""

from pathlib import Path

import pytest

from artifacts.digests import sha256_hex
from artifacts.errors import BlobNotFound, DigestMismatch, SettingsError
from artifacts.file_store import open_file_store
from artifacts.release import Release, registry_release, release_text
from artifacts.settings import load
from artifacts.store import Store
from serving.download_model import DownloadSettings, download_pinned
from serving.replica_set import (
    PinDamaged,
    Pinned,
    StaleConfig,
    owner_uid,
    pin,
    pinned,
    read_pinned,
)

FILES = {n: b"\x08 as an ONNX file begins, and " + str(n).encode() for n in (1, 2)}
FILES_OF_A_POD = {"MODEL_PATH": "model.onnx", "MODEL_RELEASE": "release.json"}
RELEASES = {n: registry_release(n, sha256_hex(data)) for n, data in FILES.items()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two releases."""
    store = open_file_store(tmp_path / "store")
    for number, data in FILES.items():
        store.models.create(RELEASES[number].blob, data)
    return store


class Node:
    """Where pods' init containers run, each with a volume of its own that outlives a restart."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder

    def start(self, pod: str, replica_set: str, environ: dict[str, str], **template: str) -> bytes:
        """Run a pod's init container, and return the file that it leaves."""
        volume = self.folder / pod
        given = {n: str(volume / f) for n, f in FILES_OF_A_POD.items()}
        settings = load(DownloadSettings, {**given, **template})
        release = download_pinned(self.store, settings, environ, lambda: replica_set)
        assert read_pinned(volume / "release.json").sha256 == release.sha256
        return (volume / "model.onnx").read_bytes()


@pytest.fixture
def node(store: Store, tmp_path: Path) -> Node:
    """A node."""
    return Node(store, tmp_path / "pods")


def test_later_pods_obey_the_first(node: Node) -> None:
    """Whatever `model-config` says by then; another ReplicaSet begins with what it says now."""
    assert node.start("a", "old", RELEASES[1].environ()) == FILES[1]
    assert node.start("b", "old", RELEASES[2].environ()) == FILES[1]
    assert node.start("c", "new", RELEASES[2].environ()) == FILES[2]
    assert node.start("d", "old", RELEASES[2].environ()) == FILES[1]


def test_of_two_first_pods_one_decides(store: Store) -> None:
    """Put-if-absent: the other takes what the one has taken."""
    first, second = (Pinned(r, str(r.sha256)) for r in RELEASES.values())
    assert pin(store.records, "uid", first) == first
    assert pin(store.records, "uid", second) == first
    assert pinned(store.records, "uid") == first
    assert pinned(store.records, "another") is None


def test_what_was_put_in_by_hand_has_the_bytes_of_the_first_pod(node: Node, store: Store) -> None:
    """A release without a digest is bound to what was found; it stays marked as by hand."""
    hand = Release("hand", "by/hand.onnx", None)
    store.models.create(hand.blob, FILES[1])
    assert node.start("a", "uid", hand.environ()) == FILES[1]
    assert pinned(store.records, "uid") == Pinned(hand, sha256_hex(FILES[1]))
    Path(store.models.address(hand.blob)).write_bytes(FILES[2])
    with pytest.raises(DigestMismatch):
        node.start("b", "uid", hand.environ())


def test_a_release_that_cannot_be_had_decides_nothing(node: Node, store: Store) -> None:
    """So that the blob can be brought, or `model-config` mended."""
    missing = registry_release(3, "0" * 64)
    with pytest.raises(BlobNotFound):
        node.start("a", "uid", missing.environ())
    assert pinned(store.records, "uid") is None
    assert node.start("a", "uid", RELEASES[1].environ()) == FILES[1]


def test_a_restarted_pod_needs_nobody(node: Node, tmp_path: Path) -> None:
    """After a restart of its node it comes back without API server and store."""
    node.start("a", "uid", RELEASES[1].environ())

    def away() -> str:
        raise AssertionError

    nowhere = open_file_store(tmp_path / "nowhere")
    given = {n: str(tmp_path / "pods" / "a" / f) for n, f in FILES_OF_A_POD.items()}
    settings = load(DownloadSettings, given)
    assert download_pinned(nowhere, settings, {}, away) == RELEASES[1]


@pytest.mark.parametrize("config", ["", "41@" + "0" * 64])
def test_a_config_from_before_the_template_is_not_taken(node: Node, config: str) -> None:
    """A kubelet may hand out what it read before the promoter wrote."""
    environ = {**RELEASES[1].environ(), **({"PROMOTION": config} if config else {})}
    with pytest.raises(StaleConfig, match="next start"):
        node.start("a", "uid", environ, POD_PROMOTION="42@" + "1" * 64)
    environ["PROMOTION"] = "43@" + "1" * 64
    assert node.start("a", "uid", environ, POD_PROMOTION="42@" + "1" * 64) == FILES[1]


def test_what_an_undo_brought_back_stays_through_a_restart(node: Node, store: Store) -> None:
    """A new ReplicaSet takes what its template was written for, where nobody edited the config."""
    config = {**RELEASES[2].environ(), "RELEASE": release_text(RELEASES[2])}
    template = {"POD_RELEASE": release_text(RELEASES[1])}
    assert node.start("a", "undone", config, **template) == FILES[1]
    store.models.create("by-hand.onnx", b"\x08 another")
    edited = {**config, **Release("hand", "by-hand.onnx", None).environ()}
    assert node.start("b", "edited", edited, **template) == b"\x08 another"


def test_before_a_first_promotion_there_is_nothing_to_fetch(node: Node) -> None:
    """Not even what a promoter has configured, who has not written the template yet."""
    config = {**RELEASES[1].environ(), "RELEASE": release_text(RELEASES[1])}
    for environ in ({}, config):
        with pytest.raises(SettingsError, match="nothing was promoted here yet"):
            node.start("a", "uid", environ)
    assert node.start("b", "other", config, POD_RELEASE=config["RELEASE"]) == FILES[1]


def test_a_damaged_record_is_told(store: Store, node: Node) -> None:
    """With the way out: another ReplicaSet."""
    store.records.create("served/uid", b"{")
    with pytest.raises(PinDamaged) as told:
        node.start("a", "uid", RELEASES[1].environ())
    assert "rollout restart" in told.value.in_one_line()


def test_the_controlling_replica_set_counts() -> None:
    """A pod without one is told apart."""
    owners = [
        {"kind": "Node", "uid": "n", "controller": True},
        {"kind": "ReplicaSet", "uid": "other"},
        {"kind": "ReplicaSet", "uid": "mine", "controller": True},
    ]
    assert owner_uid({"metadata": {"ownerReferences": owners}}) == "mine"
    none: list[object] = [{"metadata": {}}, {"metadata": {"ownerReferences": owners[:1]}}, []]
    for pod in none:
        with pytest.raises(ValueError, match="ReplicaSet"):
            owner_uid(pod)
