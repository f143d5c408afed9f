"""What guards a deploy: it shows, asks, verifies, and goes back."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.system import NAMESPACE, OVERLAY, ROOT, System

pytestmark = pytest.mark.timeout(900)

PROD = "tests/cluster/prod"


def test_a_deploy_that_does_not_roll_out_is_undone(system: System, tmp_path: Path) -> None:
    """What served goes on all the while, and the deploy of before is what an undo knows."""
    (before,) = set(system.served().values())
    broken = {
        "resources": [os.path.relpath(OVERLAY, tmp_path)],
        "images": [{"name": "iris-inference", "newTag": "none"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(broken))
    said = system.make("deploy-dev", code=2, OVERLAY=str(tmp_path), TIMEOUT="20s")
    assert re.search(r"^\+ .*image: iris-inference:none$", said, re.MULTILINE)
    assert "inference-service is not ready" in said
    assert "this deploy is undone" in said
    assert system.serves(before)
    assert "iris-inference:none" not in system.make("undo-deploy-dev")
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
