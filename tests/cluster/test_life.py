"""From an empty cluster to a prediction: deploy, train, promote, ask."""

from tests.cluster.node import space
from tests.cluster.system import System


def test_a_client_is_answered_by_the_release_that_was_promoted(system: System) -> None:
    """Trained, promoted and asked in the cluster, through the Service."""
    config = system.config()
    digest = config["MODEL_SHA256"].partition("@")[2]
    # Pods on their way out answer until they have gone.
    space.wait_until(lambda: system.predict().body["model"]["sha256"] == digest, "it answers", 60)
    answer = system.predict()
    assert answer.status == 200
    assert answer.body["predictions"][0]["label"] == "setosa"
    assert answer.body["model"]["sha256"] == digest
    assert set(system.served().values()) == {answer.body["model"]["sha256"]}
    assert system.status().troubles == []
