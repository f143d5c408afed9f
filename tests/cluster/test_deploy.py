"""What guards a deploy: it shows, asks, verifies, and goes back."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.arena import INFERENCE
from tests.cluster.node import space
from tests.cluster.system import NAMESPACE, OVERLAY, ROOT, System

pytestmark = pytest.mark.timeout(900)

PROD = "tests/cluster/prod"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The overlay, with an image that there is not."""
    overlay = {
        "resources": [os.path.relpath(OVERLAY, tmp_path)],
        "images": [{"name": "iris-inference", "newTag": "none"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return tmp_path


def image(system: System) -> str:
    """Return the image that inference is asked to have."""
    containers = system.get(INFERENCE)["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["image"])


def test_a_deploy_that_does_not_roll_out_is_undone(system: System, broken: Path) -> None:
    """What served goes on all the while, and the deploy of before is what an undo knows."""
    (before,) = set(system.served().values())
    said = system.make("deploy-dev", code=2, OVERLAY=str(broken), TIMEOUT="20s")
    assert re.search(r"^\+ .*image: iris-inference:none$", said, re.MULTILINE)
    assert "inference-service is not ready" in said
    assert "this deploy is undone" in said
    assert system.serves(before)
    assert "iris-inference:none" not in system.make("undo-deploy-dev")
    assert system.serves(before)


def test_a_deploy_that_breaks_off_while_it_is_applied_is_undone(
    system: System, broken: Path, tmp_path: Path
) -> None:
    """Some of it was applied: nobody knows what, and no promotion should meet it."""
    (before,), was = set(system.served().values()), image(system)
    program = tmp_path / "kubectl"
    program.write_text(
        f"""#!/usr/bin/env bash
        {system.program} "$@" || exit
        if [ "$1" = apply ] && [[ "${{*: -1}}" = */new ]]; then ! mkdir {tmp_path}/once; fi
        """
    )
    program.chmod(0o755)
    words, environ = ("k8s/deploy", "dev", str(broken)), {"KUBECTL": str(program)}
    said = system.run(*words, code=1, environ=environ).err
    assert "not all of it was applied" in said
    assert "this deploy is undone" in said
    assert image(system) == was
    assert system.serves(before)


def test_a_deploy_that_is_interrupted_is_undone(system: System, broken: Path) -> None:
    """While it waits for what never comes.

    Ctrl-C does the same, but what a shell has started in the background is deaf to that.
    """
    (before,), was = set(system.served().values()), image(system)
    with subprocess.Popen(
        ("k8s/deploy", "dev", str(broken)),
        cwd=ROOT,
        env=system.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as deploy:
        space.wait_until(lambda: image(system) != was, "it is applied", 60)
        os.killpg(deploy.pid, signal.SIGTERM)
        said, _ = deploy.communicate(timeout=180)
    assert deploy.returncode == 1
    assert "it was interrupted" in said
    assert "this deploy is undone" in said
    assert image(system) == was
    assert system.serves(before)


def test_a_deploy_goes_to_the_environment_that_it_names(system: System) -> None:
    """Also where nothing else guards it."""
    asked = ("k8s/deploy", "prod", PROD)
    said = system.run(*asked, code=1, environ={"UNGUARDED": "1", "YES": "--yes"}).err
    assert "kubectl talks to dev, not to prod" in said


@pytest.fixture
def prod(system: System) -> Iterator[System]:
    """A cluster of which the namespace is free for prod; dev is there again afterwards."""
    system.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
    system.run("k8s/components/standalone/secrets")
    yield system
    system.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
    system.deploy()


@pytest.mark.long
def test_prod_is_deployed_from_a_commit_and_promoted_to_by_a_job(
    prod: System, tmp_path: Path
) -> None:
    """Refused from a checkout that holds more, and where nobody says yes; then all of it."""
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", ROOT, checkout], check=True)
    make = ("make", "--no-print-directory", "-C", str(checkout))
    deploy = (*make, "deploy-prod", f"OVERLAY={PROD}")
    stray = checkout / "stray"
    stray.touch()
    assert "git status" in prod.run(*deploy, code=2).err
    stray.unlink()
    assert "YES=--yes" in prod.run(*deploy, code=2).err
    assert "deployments" not in prod.kubectl("get", "deployments", "--output=name")
    prod.run(*deploy, "YES=--yes")
    promote = (*make, "promote-prod", "VERSION=1", "REASON=the first of prod")
    assert "--yes" in "".join(prod.run(*promote, code=2)[1:])
    prod.run(*promote, "YES=--yes")
    assert prod.predict().body["model"]["version"] == "1"
    prod.run(*deploy, "YES=--yes")
    assert "serving      version 1" in prod.run("k8s/iris", "prod", "status").out
