"""What serves after an operator's hand, a deploy, or an outage: by digest, before and after."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from artifacts.digests import sha256_hex
from tests.cluster.node import lifecycle, space
from tests.cluster.system import NAMESPACE, OVERLAY, System
from tests.support.model_files import model_file

pytestmark = pytest.mark.timeout(900)

FILE = model_file(tilt=0.5)
HAND = sha256_hex(FILE)
BY_HAND = {"MODEL_VERSION": "by-hand", "MODEL_BLOB_NAME": "by-hand/model.onnx"}


def served(system: System) -> str:
    """Return the digest that every pod serves."""
    (digest,) = set(system.served().values())
    return digest


def by_hand(system: System) -> None:
    """Put a model in by hand, as the runbook says."""
    system.store.models.replace("by-hand/model.onnx", FILE)
    system.edit(**BY_HAND)
    system.rollout("restart")


def test_an_undo_brings_back_what_the_older_pods_served(system: System) -> None:
    """Whatever `model-config` says by then; a restart, and a new pod, change nothing of it."""
    before, other = system.versions()
    system.promote(other.number)
    assert served(system) == other.sha256
    system.rollout("undo")
    assert served(system) == before.sha256
    system.rollout("restart")
    assert served(system) == before.sha256
    system.kubectl("delete", "pod", system.pods()[0]["metadata"]["name"])
    system.wait_until_serves(before.sha256)
    (trouble,) = system.status().troubles
    assert f"version {before.number} " in trouble.what
    assert "was put in by hand" in trouble.what
    system.iris("reconcile", "--to", "ledger")
    assert served(system) == other.sha256


def test_an_edit_serves_after_a_restart_and_can_be_undone(system: System) -> None:
    """And the undo, too."""
    before = served(system)
    by_hand(system)
    assert served(system) == HAND
    system.rollout("undo")
    assert served(system) == before
    system.rollout("undo")
    assert served(system) == HAND
    system.iris("reconcile", "--to", "serving", "--reason", "tried out")
    assert system.status().troubles == []
    system.iris("rollback", "--reason", "tried out")
    assert served(system) == before


@pytest.mark.long
def test_an_undo_goes_past_promotions(system: System) -> None:
    """To whichever revision: each serves what it served."""
    before, other = system.versions()
    first = system.revision()
    system.promote(other.number)
    second = system.revision()
    system.promote(before.number)
    system.rollout("undo", f"--to-revision={second}")
    assert served(system) == other.sha256
    system.rollout("undo", f"--to-revision={first}")
    assert served(system) == before.sha256


@pytest.mark.long
def test_an_edit_without_a_restart_changes_nothing_that_serves(system: System) -> None:
    """Pods that are added or replaced serve what the others do."""
    before = served(system)
    system.store.models.replace("by-hand/model.onnx", FILE)
    system.edit(**BY_HAND)
    system.kubectl("scale", "deployment/inference-service", "--replicas=3")
    system.wait_until_serves(before)
    system.kubectl("delete", "pod", system.pods()[0]["metadata"]["name"])
    system.wait_until_serves(before)
    assert len(system.served()) >= 2
    (trouble,) = system.status().troubles
    assert "version by-hand" in trouble.what


@pytest.mark.long
def test_a_deploy_and_its_undo_change_the_image_alone(system: System, tmp_path: Path) -> None:
    """Whatever was promoted between the two."""
    before, other = system.versions()
    space.run(space.inside([*CTR, "tag", "--force", f"{INFERENCE}:local", f"{INFERENCE}:next"]))
    newer = {
        "resources": [os.path.relpath(OVERLAY, tmp_path)],
        "images": [{"name": "iris-inference", "newTag": "next"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(newer))
    system.make("deploy-dev", OVERLAY=str(tmp_path))
    assert image(system) == "iris-inference:next"
    assert served(system) == before.sha256
    system.promote(other.number)
    system.make("undo-deploy-dev")
    assert image(system) == "iris-inference:local"
    assert served(system) == other.sha256
    system.make("undo-deploy-dev")
    assert image(system) == "iris-inference:next"
    system.make("undo-deploy-dev")
    assert served(system) == other.sha256


CTR = ("ctr", "--namespace=k8s.io", "images")
INFERENCE = "docker.io/library/iris-inference"


def image(system: System) -> str:
    """Return the image of what serves."""
    pods = system.get("deployment", "inference-service")["spec"]["template"]
    found: str = pods["spec"]["containers"][0]["image"]
    return found


@pytest.mark.long
def test_a_deploy_waits_for_a_promotion(system: System) -> None:
    """It is refused, changes nothing, and names the way out."""
    before, other = system.versions()
    command = ["iris", "promote", str(other.number), "--watch", "2s", "--reason", "a test"]
    environ = system.environ | system.signed_in | {"IRIS_STOP_AT": "during watch"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as promoter:
        space.wait_until(lambda: stopped(promoter.pid), "the promoter stands still", 180)
        said = system.make("deploy-dev", code=2, OVERLAY=str(OVERLAY))
        promoter.kill()
    assert "iris recover" in said
    assert served(system) == other.sha256
    system.iris("recover")
    assert served(system) == other.sha256 != before.sha256


def stopped(pid: int) -> bool:
    """Tell whether a process was stopped."""
    return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.long
def test_a_deploy_waits_until_a_hand_s_doing_is_settled(system: System) -> None:
    """Else it would carry on what an undo brought back, or replace it."""
    before, other = system.versions()
    system.promote(other.number)
    system.rollout("undo")
    said = system.make("deploy-dev", code=2, OVERLAY=str(OVERLAY))
    assert "iris reconcile --to ledger" in said
    assert served(system) == before.sha256
    system.iris("reconcile", "--to", "ledger")
    system.make("deploy-dev", OVERLAY=str(OVERLAY))
    assert served(system) == other.sha256


@pytest.mark.long
def test_a_namespace_that_was_deleted_comes_back_with_what_served(system: System) -> None:
    """Ledger, releases and MLflow lie elsewhere."""
    before = served(system)
    system.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
    system.deploy()
    assert served(system) == before
    assert system.status().troubles == []


@pytest.mark.long
@pytest.mark.parametrize("program", ["kubelet", "containerd"])
def test_pods_serve_on_while_the_node_s_programs_are_restarted(
    system: System, program: str
) -> None:
    """The same pods, the same release."""
    before = system.served()
    lifecycle.restart(program)
    space.wait_until(lambda: system.served() == before, "the same pods answer", 60)


@pytest.mark.long
def test_a_node_that_was_off_comes_back_with_what_served(system: System) -> None:
    """Its init containers run again, with the volumes of before."""
    before = served(system)
    lifecycle.stop()
    lifecycle.up()
    system.wait_until_serves(before)
    space.wait_until(lambda: not system.status().troubles, "all of it answers again", 120)
