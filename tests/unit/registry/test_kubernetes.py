"""The rollout back end of a cluster, before an API server in memory."""

import os
from typing import Any

import pytest

from artifacts.release import Release, registry_release, release_text
from registry.errors import RolloutFailed, TargetMoved, TargetUnavailable
from registry.rollout import Fence, Rollout
from registry.rollout.deployment import PROMOTION, RELEASE
from registry.settings import RegistrySettings
from registry.targets import target_of
from tests.unit.registry.api_server import CONFIG, DEPLOYMENT, ApiServer

ONE, TWO = (registry_release(n, f"{n}" * 64) for n in (1, 2))
UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available",
}
HAND = Release("hand", "by/hand.onnx", None)


def fence(number: int) -> Fence:
    """Return a record's stamp."""
    return Fence("ledger", number, f"{number:064}")


@pytest.fixture
def server() -> ApiServer:
    """A cluster in which version 1 was promoted under record 5, and serves in two pods."""
    server = ApiServer()
    target = server.target()
    target.write(ONE, fence(5), target.read().revision)
    server.serve(ONE, "a", "b")
    return server


def write(server: ApiServer, release: Release | None, number: int) -> None:
    """Desire a release under a record."""
    target = server.target()
    target.write(release, fence(number), target.read().revision)


def test_a_cluster_in_which_nothing_was_promoted() -> None:
    """It is asked for nothing, by nobody, and its name is that of cluster and namespace."""
    state = ApiServer().target().read()
    assert (state.target, state.release, state.fence) == ("test/iris-ml", None, None)


def test_what_was_written_is_read(server: ApiServer) -> None:
    """With what each pod says, in one state."""
    state = server.target().read()
    assert (state.release, state.fence, state.rollout.state) == (ONE, fence(5), "idle")
    assert [(i.url, i.release, i.ready) for i in state.instances] == [
        ("a", ONE, True),
        ("b", ONE, True),
    ]


def test_the_config_is_written_before_the_deployment(server: ApiServer) -> None:
    """So that the first pod of the new template finds it."""
    server.requests.clear()
    write(server, TWO, 6)
    changes = [line for line in server.requests if not line.startswith("GET")]
    assert changes == [f"PUT {CONFIG}", f"PATCH {DEPLOYMENT}"]
    assert server.config["MODEL_SHA256"] == f"{TWO.blob}@{TWO.sha256}"
    assert server.annotations == {PROMOTION: str(fence(6).stamp), RELEASE: release_text(TWO)}


def test_the_same_release_again_rolls_nothing(server: ApiServer) -> None:
    """A takeover writes its stamp, and touches the Deployment so that older reads are void."""
    before, read = server.template_changes, server.target().read()
    write(server, ONE, 7)
    assert server.template_changes == before
    assert server.target().read().fence == fence(7)
    with pytest.raises(TargetMoved):
        server.target().write(TWO, fence(8), read.revision)


def test_an_older_stamp_writes_nothing(server: ApiServer) -> None:
    """The fence only rises."""
    with pytest.raises(TargetMoved):
        write(server, TWO, 4)
    assert server.target().read().release == ONE


@pytest.mark.parametrize("moved", ["config", "deployment"])
def test_what_changed_since_it_was_read_is_not_written(server: ApiServer, moved: str) -> None:
    """Whoever wrote in between is not overwritten."""
    target = server.target()
    state = target.read()
    if moved == "config":
        server.edit(NOTE="somebody was here")
    else:
        server.settle()
    with pytest.raises(TargetMoved):
        target.write(TWO, fence(6), state.revision)
    assert server.target().read().release == ONE


def test_an_edit_by_hand_is_what_is_asked_for(server: ApiServer) -> None:
    """Although no pod was restarted yet; to go back to what the pods still serve rolls nothing."""
    server.edit(MODEL_VERSION=HAND.version, MODEL_BLOB_NAME=HAND.blob)
    assert server.target().read().release == HAND
    before = server.template_changes
    write(server, ONE, 6)
    assert server.template_changes == before
    assert server.target().read().release == ONE


def test_what_could_not_start_is_gone_back_from_without_a_new_pod(server: ApiServer) -> None:
    """The template is that of the pods that went on serving, so their ReplicaSet is the newest."""
    before = dict(server.annotations)
    write(server, TWO, 6)
    server.add_pod("c", None, {"conditions": [UNSCHEDULED]})
    server.settle(replicas=3, updatedReplicas=1)
    assert "no node takes it" in server.target().read().rollout.reason
    write(server, ONE, 7)
    server.settle()
    assert server.annotations == before
    state = server.target().read()
    assert (state.release, state.fence, state.rollout) == (ONE, fence(7), Rollout("idle"))


def test_pods_that_are_on_their_way_out_bring_nothing_back(server: ApiServer) -> None:
    """Promoted again a moment after it was replaced, a release gets pods of its own."""
    write(server, TWO, 6)
    for pod in server.pods:
        pod["metadata"]["deletionTimestamp"] = "2026-11-29T02:50:00Z"
    write(server, ONE, 7)
    assert server.annotations[PROMOTION] == str(fence(7).stamp)


def test_pods_that_serve_another_release_than_their_template_says(server: ApiServer) -> None:
    """An edit by hand, and a restart: to go back is a rollout, though the template says it."""
    server.edit(MODEL_VERSION=HAND.version, MODEL_BLOB_NAME=HAND.blob)
    server.serve(HAND, "c", "d")
    before = server.template_changes
    write(server, ONE, 6)
    assert server.template_changes == before + 1
    assert server.annotations[PROMOTION] == str(fence(6).stamp)


def test_after_an_undo_by_hand_the_template_is_what_is_asked_for(server: ApiServer) -> None:
    """`model-config` stays as it was; the older ReplicaSet serves what it served."""
    old = dict(server.annotations)
    write(server, TWO, 6)
    server.serve(TWO, "c", "d")
    assert server.target().read().release == TWO
    server.annotations.update(old)
    assert server.target().read().release == ONE


def test_nothing_served_is_no_replica(server: ApiServer) -> None:
    """And the next release gets one, which the autoscaler then raises to its minimum."""
    write(server, None, 6)
    server.serve(ONE)
    state = server.target().read()
    assert (state.release, state.instances) == (None, [])
    assert server.target().wait_until_serving(None, print).release is None
    assert "MODEL_VERSION" not in server.config
    write(server, TWO, 7)
    assert server.objects[DEPLOYMENT]["spec"]["replicas"] == 1


def test_a_rollout_is_waited_for_with_the_reason(server: ApiServer) -> None:
    """What a pod lacks is told, and in the end part of the failure."""
    write(server, TWO, 6)
    unready: dict[str, Any] = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    image = {"containerStatuses": [{"name": "inference-service", **unready}]}
    server.add_pod("c", status=image)
    server.settle(updatedReplicas=1, replicas=3)
    said: list[str] = []
    with pytest.raises(RolloutFailed, match="ErrImagePull"):
        server.target().wait_until_serving(TWO, said.append)
    assert said == ["waiting for 3 of 3 instances (pod c: inference-service: ErrImagePull: no)"]


def test_an_init_container_that_dies_fails_the_rollout_with_its_last_line(
    server: ApiServer,
) -> None:
    """At once, not after the Deployment's deadline."""
    write(server, TWO, 6)
    dead = {"terminated": {"reason": "Error", "exitCode": 1}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    init = {"name": "download-model", "restartCount": 1, "state": waiting, "lastState": dead}
    server.add_pod("c", status={"initContainerStatuses": [init]})
    server.logs["c"] = '{"event": "download-model ends", "error": "there is no blob v2"}\n'
    server.settle(updatedReplicas=1, replicas=3)
    with pytest.raises(RolloutFailed) as failed:
        server.target().wait_until_serving(TWO, print)
    assert "pod c: download-model ended with Error" in failed.value.message
    assert "there is no blob v2" in failed.value.message


def test_what_another_start_may_mend_is_waited_for(server: ApiServer) -> None:
    """A store that is away for a moment is no reason to give a release up."""
    write(server, TWO, 6)
    dead = {"terminated": {"reason": "Error", "exitCode": os.EX_TEMPFAIL}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    init = {"name": "download-model", "restartCount": 1, "state": waiting, "lastState": dead}
    server.add_pod("c", status={"initContainerStatuses": [init]})
    server.logs["c"] = '{"event": "download-model ends", "error": "the store is away"}\n'
    server.settle(updatedReplicas=1, replicas=3)
    state = server.target().read()
    assert state.rollout.state == "progressing"
    assert "the store is away" in state.rollout.reason


def test_a_pod_that_died_and_came_back_is_no_trouble(server: ApiServer) -> None:
    """It serves again, whatever its memory was too small for an hour ago."""
    dead = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    again = {"name": "inference-service", "restartCount": 1, "state": {"running": {}}}
    ready = {"type": "Ready", "status": "True"}
    status = {"conditions": [ready], "containerStatuses": [{**again, "lastState": dead}]}
    write(server, TWO, 6)
    server.serve(TWO, "a")
    server.add_pod("b", TWO, status)
    server.settle(2)
    assert server.target().read().rollout == Rollout("idle")


def test_an_api_server_that_is_away_for_a_moment_is_waited_for(server: ApiServer) -> None:
    """It may be replaced during a rollout, which goes on without it."""
    server.answers_to_lose = 2
    said: list[str] = []
    assert server.target().wait_until_serving(ONE, said.append).release == ONE
    assert said == ["looking again: the API server of test/iris-ml does not answer (it was cut)"]


def test_a_rollout_that_is_not_begun_is_not_over(server: ApiServer) -> None:
    """The status is of the template before, until the controller has seen the new one."""
    write(server, TWO, 6)
    assert server.target().read().rollout.state == "progressing"


def test_a_rollout_that_takes_too_long_is_the_clusters_word(server: ApiServer) -> None:
    """Its deadline's message is the reason."""
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    server.settle(conditions=[{**late, "message": "timed out progressing"}])
    assert server.target().read().rollout.reason == "timed out progressing"


def test_who_is_not_let_in_is_told_so(server: ApiServer) -> None:
    """And who does not answer."""
    server.down = True
    with pytest.raises(TargetUnavailable, match="does not answer"):
        server.target().read()
    del server.objects[DEPLOYMENT]
    server.down = False
    with pytest.raises(TargetUnavailable) as told:
        server.target().read()
    assert "404" in told.value.message
    assert "make deploy-dev" in told.value.hint


@pytest.mark.parametrize(
    "data", [{"MODEL_BLOB_NAME": ""}, {"MODEL_VERSION": ""}, {"PROMOTION": "soon"}]
)
def test_a_config_that_names_nothing_is_told(server: ApiServer, data: dict[str, str]) -> None:
    """With the object to mend."""
    server.edit(**data)
    with pytest.raises(TargetUnavailable, match="model-config"):
        server.target().read()


def test_a_cluster_is_named_before_anything_is_changed() -> None:
    """Whoever promotes sees where."""
    settings = RegistrySettings(iris_target="kubernetes", iris_cluster="blue")
    assert target_of(settings) == "cluster blue, namespace iris-ml"
