"""From an empty cluster to a prediction: deploy, train, promote, ask."""

import pytest

from tests.cluster.arena import Arena
from tests.cluster.node import space
from tests.cluster.system import System

pytestmark = pytest.mark.timeout(600)


def test_a_client_is_answered_by_the_release_that_was_promoted(system: System) -> None:
    """Trained, promoted and asked in the cluster, through the Service."""
    config = system.config()
    digest = config["MODEL_SHA256"].partition("@")[2]
    # Pods on their way out answer until they have gone.
    space.wait_until(lambda: not system.leaving(), "older pods have gone", 60)
    answer = system.predict()
    assert answer.status == 200
    assert answer.body["predictions"][0]["label"] == "setosa"
    assert answer.body["model"]["sha256"] == digest
    assert set(system.served().values()) == {answer.body["model"]["sha256"]}
    assert system.status().troubles == []


def test_clients_notice_neither_a_promotion_nor_an_undo(arena: Arena) -> None:
    """Each is answered all the while, by the release before or by the one that was promoted."""
    system = arena.system
    before, other = system.versions()
    with arena.witnessed() as witness:
        system.promote(other.number)
        assert set(system.served().values()) == {other.sha256}
        system.rollout("undo")
        system.wait_until_serves(before.sha256)
    assert witness.stream.failures == []
    answered = {version for seen in witness.stream.versions for version in seen}
    assert answered == {str(before.number), str(other.number)}
