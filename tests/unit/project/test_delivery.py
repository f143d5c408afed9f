"""What brings a change into a cluster: `k8s/pin`, `k8s/smoke`, `k8s/train`."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.project.pyproject import ROOT

DIGEST = "sha256:" + 64 * "a"
PLACED = "registry.example/team/"


def manifests_of(*images: str, place: str = "irisml.azurecr.io/", tag: str = ":0.1.0") -> str:
    """Return what Kustomize renders for some images, and one that is not ours."""
    lines = "".join(f"        - image: {place}iris-{image}{tag}\n" for image in images)
    return f"{lines}          image: postgres:17\n"


def pin(file: Path, manifests: str) -> subprocess.CompletedProcess[str]:
    """Run `k8s/pin`."""
    return subprocess.run(
        [ROOT / "k8s" / "pin", file], input=manifests, capture_output=True, text=True, check=False
    )


def pinned(file: Path, manifests: str) -> list[str]:
    """Return the images of ours that manifests have in the end."""
    done = pin(file, manifests)
    assert done.returncode == 0, done.stderr
    *ours, other = (line.strip(" -") for line in done.stdout.splitlines())
    assert other == "image: postgres:17"
    return ours


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What `make push` wrote of two images."""
    file = tmp_path / "images.txt"
    file.write_text(
        "".join(f"iris-{image} {PLACED}iris-{image}@{DIGEST}\n" for image in ("gateway", "mlflow"))
    )
    return file


@pytest.mark.parametrize(("place", "tag"), [("", ""), ("", ":local"), ("a.example/b/", ":1.2")])
def test_images_are_taken_by_digest(file: Path, place: str, tag: str) -> None:
    """Wherever an overlay has them from."""
    found = pinned(file, manifests_of("gateway", "mlflow", place=place, tag=tag))
    assert found == [f"image: {PLACED}iris-{image}@{DIGEST}" for image in ("gateway", "mlflow")]


def test_an_image_that_was_not_pushed_is_named(file: Path) -> None:
    """Half of a deploy by digest is none."""
    done = pin(file, manifests_of("gateway", "inference"))
    assert done.returncode == 1
    assert "names no digest for:" in done.stderr
    assert "iris-inference:0.1.0" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("line", ["iris-gateway a.example/iris-gateway:1.2", "# those of today"])
def test_a_line_without_a_digest_is_refused(file: Path, line: str) -> None:
    """A tag is what a deploy by digest is to do without."""
    file.write_text(f"{line}\n")
    done = pin(file, manifests_of("gateway"))
    assert done.returncode == 1
    assert line in done.stderr


# Answers as a cluster of prod: what was promoted is in $PROMOTED, what a Job logged in $LOG.
KUBECTL = """#!/bin/sh
case "$*" in
*kustomize*) printf "$RENDERED" ;;
*--filename=/*/new) cat "${*##*--filename=}" >> "$ASKED" ;;
*"get cronjob promote --ignore-not-found"*) ;;
*"get deployment"* | *"get cronjob"*) printf prod ;;
*"get configmap model-config"*) printf "$PROMOTED" ;;
*"get pods --selector=app=inference-service"*) printf "$PODS" ;;
*"get --raw"*) printf '"sha256":"%s"' "$SERVED" ;;
*"get secret"*) printf a-key ;;
*port-forward*) echo "Forwarding from 127.0.0.1:4711 -> 8080"; exec sleep 60 ;;
*status.phase*) printf Succeeded ;;
*"create job"*) echo "$*" >> "$ASKED"
  echo '{"metadata": {"annotations": {}}, "spec": {"template": {"spec": {"containers": [{}]}}}}' ;;
*"create --filename"*) cat >> "$ASKED"; printf job.batch/iris-x ;;
*logs*) echo "$LOG" ;;
*exitCode*) if grep -q '"gates"' "$ASKED"; then printf "$GATES"; else printf 0; fi ;;
esac
"""
MAKE = """#!/bin/sh
echo "$* $PROFILE $HOST $IRIS_GATEWAY_KEY"
exit "$VERDICT"
"""


def run(folder: Path, script: str, environment: str, **answers: str) -> tuple[int, str]:
    """Run a script of `k8s/` with that kubectl; return its exit code and what it said."""
    for name, text in (("kubectl", KUBECTL), ("make", MAKE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "KUBECTL": "kubectl",
        "ASKED": str(folder / "asked"),
        **answers,
    }
    done = subprocess.run(
        [ROOT / "k8s" / script, environment],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


SERVING = {"PROMOTED": "model.onnx@ab12", "PODS": "inference-a inference-b ", "SERVED": "ab12"}


@pytest.mark.parametrize("wrong", [{"SERVED": "cd34"}, {"SERVED": ""}, {"PODS": " "}], ids=str)
def test_a_deploy_ends_well_when_every_pod_serves_what_is_asked_for(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    """By the pods' own word; where nobody says it, it is not so."""
    (tmp_path / "asked").write_text("")
    rendered = "  IRIS_ENV: dev\n"
    ended, said = run(tmp_path, "deploy", "dev", RENDERED=rendered, **{**SERVING, **wrong})
    assert ended == 1
    assert "not every pod serves what model-config says" in said


def test_a_deploy_brings_what_was_pinned(tmp_path: Path, file: Path) -> None:
    """And nothing at all, where an image of ours would be taken by a tag."""
    for images, code in (("gateway mlflow", 0), ("gateway inference", 1)):
        rendered = f"  IRIS_ENV: dev\n{manifests_of(*images.split())}"
        (tmp_path / "asked").write_text("")
        ended, said = run(
            tmp_path,
            "deploy",
            "dev",
            RENDERED=rendered,
            IMAGES_FILE=str(file),
            **SERVING,
        )
        assert ended == code, said
        applied = (tmp_path / "asked").read_text()
        assert applied.count(f"@{DIGEST}") == (0 if code else 2)
        assert ":0.1.0" not in applied


@pytest.mark.parametrize("verdict", ["0", "1", "2"])
def test_the_load_after_a_deploy_ends_as_its_verdict(tmp_path: Path, verdict: str) -> None:
    """By a forwarded port, with the promoter's key, whatever the deploy's name is outside."""
    ended, said = run(tmp_path, "smoke", "prod", PROMOTED="configmap/model-config", VERDICT=verdict)
    assert ended == int(verdict)
    assert "load smoke http://127.0.0.1:4711 a-key" in said


def test_where_nothing_was_promoted_there_is_nothing_to_put_under_load(tmp_path: Path) -> None:
    """A first deploy is not undone for it."""
    ended, said = run(tmp_path, "smoke", "prod", PROMOTED="")
    assert ended == 0
    assert "nothing was promoted yet" in said


@pytest.mark.parametrize("script", ["smoke", "train"])
def test_another_environment_is_left_alone(tmp_path: Path, script: str) -> None:
    """A context that was left behind is put under no load."""
    ended, said = run(tmp_path, script, "dev", PROMOTED="x", VERDICT="0", LOG="")
    assert ended == 1
    assert "kubectl talks to prod, not to dev" in said


@pytest.mark.parametrize(("gates", "code"), [("0", 0), ("1", 1), ("2", 0)])
def test_gates_are_asked_about_what_was_trained(tmp_path: Path, gates: str, code: int) -> None:
    """It ends badly where they say no; where they can't say, a person does."""
    log = 'candidate 3 of 6\n{"version": 7, "new": true}'
    ended, said = run(tmp_path, "train", "prod", LOG=log, GATES=gates)
    assert ended == code, said
    asked = (tmp_path / "asked").read_text()
    assert "--from=cronjob/retrain" in asked
    assert '"args": ["train", "--json"]' in asked
    assert "--from=cronjob/promote" in asked
    assert '"args": ["gates", "7"]' in asked


def test_a_training_that_names_no_version_is_told(tmp_path: Path) -> None:
    """Gates are asked about nothing then."""
    ended, said = run(tmp_path, "train", "prod", LOG="all candidates failed", GATES="0")
    assert ended == 1
    assert "names no version" in said


def test_a_runner_signs_in_by_what_the_repository_says(tmp_path: Path) -> None:
    """To the image registry by its name, and to the cluster without a code to be typed."""
    for name in ("az", "kubelogin"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "$ASKED"\n')
        (tmp_path / name).chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "ASKED": str(tmp_path / "asked"),
        "MAKEFLAGS": "",
        "AKS_NAME": "iris-dev",
        "AZURE_RESOURCE_GROUP": "iris-ml-dev",
        "REGISTRY": "irisml.azurecr.io",
    }
    subprocess.run(["make", "registry-login", "kubeconfig"], cwd=ROOT, env=environ, check=True)
    assert (tmp_path / "asked").read_text().splitlines() == [
        "az acr login --name irisml",
        "az aks get-credentials --overwrite-existing --resource-group iris-ml-dev --name iris-dev",
        "kubelogin convert-kubeconfig --login azurecli",
    ]
