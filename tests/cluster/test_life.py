"""From an empty cluster to a prediction: deploy, train, promote, ask."""

from tests.cluster.system import System


def test_a_client_is_answered_by_the_release_that_was_promoted(system: System) -> None:
    """Trained, promoted and asked in the cluster, through the Service."""
    config = system.config()
    answer = system.predict()
    assert answer.status == 200
    assert answer.body["predictions"][0]["label"] == "setosa"
    assert answer.body["model"]["sha256"] == config["MODEL_SHA256"].partition("@")[2]
    assert set(system.served().values()) == {answer.body["model"]["sha256"]}
    assert system.status().troubles == []
