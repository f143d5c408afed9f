"""What `k8s/` promises as it is written; `tests/cluster/` looks at what it renders to."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.unit.project.pyproject import ROOT

K8S = ROOT / "k8s"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
FILES = sorted(K8S.rglob("*.yaml"))
OBJECTS: list[tuple[Path, dict[str, Any]]] = [
    (file, thing) for file in FILES for thing in yaml.safe_load_all(file.read_text())
]
# Annotations that the promoter writes.
PROMOTERS = {"iris-ml/promotion", "iris-ml/release", "kubernetes.io/change-cause"}
# Read by programs that are not ours, or by a manifest itself.
NOT_OURS = {
    "AZURITE_ACCOUNTS",
    "MLFLOW_ARTIFACTS_DESTINATION",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_AUTH_ADMIN_USERNAME",
    "MLFLOW_AUTH_CONFIG_PATH",
    "MLFLOW_BACKEND_STORE_URI",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "PGDATA",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
    "REASON",
    "VERSION",
}


def containers(thing: Any) -> Iterator[dict[str, Any]]:
    """Yield every container in an object, wherever it stands."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key in ("containers", "initContainers"):
                yield from value
            else:
                yield from containers(value)
    elif isinstance(thing, list):
        for each in thing:
            yield from containers(each)


def named(kind: str) -> set[str]:
    """Return the names of all objects of a kind."""
    return {thing["metadata"]["name"] for _, thing in OBJECTS if thing["kind"] == kind}


def test_a_file_holds_one_kind() -> None:
    """Whoever looks for a Service opens `service.yaml`."""
    for file, thing in OBJECTS:
        if file.parent.parent.name != "overlays":
            kind = "kustomization" if thing["kind"] == "Component" else thing["kind"].lower()
            assert file.stem == kind, file


def test_every_file_is_used() -> None:
    """A file that no kustomization lists is one that nobody applies."""
    for folder in {file.parent for file in FILES}:
        listed = (folder / "kustomization.yaml").read_text()
        for file in folder.glob("*.yaml"):
            assert file.name == "kustomization.yaml" or file.name in listed, file


def test_the_release_stands_in_no_manifest() -> None:
    """`model-config` and what names a release on the Deployment are the promoter's alone."""
    assert "model-config" not in named("ConfigMap")
    for file, thing in OBJECTS:
        keys = set(re.findall(r"'([\w./-]+)':", str(thing)))
        assert not keys & PROMOTERS, file
        for container in containers(thing):
            variables = {each["name"] for each in container.get("env", [])}
            assert not variables & {"MODEL_VERSION", "MODEL_BLOB_NAME", "MODEL_SHA256"}, file


def test_no_secret_stands_in_a_manifest() -> None:
    """They come from Key Vault, or are made where they are needed."""
    assert named("Secret") == set()


def test_each_image_of_ours_is_a_target_of_the_dockerfile() -> None:
    """What no registry of others has is built here, and each overlay says where it is then."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE))
    images = {container["image"] for _, thing in OBJECTS for container in containers(thing)}
    ours = {image for image in images if image.startswith("iris-")}
    assert {image.removeprefix("iris-") for image in ours} <= targets
    for overlay in (K8S / "overlays").iterdir():
        placed = yaml.safe_load((overlay / "kustomization.yaml").read_text())["images"]
        assert {image["name"] for image in placed} == ours, overlay


def test_every_variable_is_one_that_a_program_reads() -> None:
    """A misspelt variable does nothing, and nobody is told."""
    settings = (ROOT / "docs" / "settings.md").read_text()
    known = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", settings)) | NOT_OURS
    of_containers = {
        variable["name"]
        for _, thing in OBJECTS
        for container in containers(thing)
        for variable in container.get("env", [])
    }
    of_environments = {
        key
        for _, thing in OBJECTS
        if thing["kind"] == "ConfigMap" and thing["metadata"]["name"] == "iris-ml-environment"
        for key in thing["data"]
    }
    assert (of_containers | of_environments) - known == set()


def test_prometheus_has_the_same_rules_everywhere() -> None:
    """`make rules` was run after a rule file of `observability/` was changed."""
    folder = K8S / "components" / "monitoring"
    written = (folder / "prometheusrule.yaml").read_text()
    made = subprocess.run([folder / "rules"], capture_output=True, text=True, check=True).stdout
    assert written == made, "make rules"
    files = [ROOT / "observability" / name for name in ("rules.yml", "cluster-rules.yml")]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    assert yaml.safe_load(written)["spec"] == {"groups": groups}


def test_the_page_lists_folders_and_accounts() -> None:
    """Whoever deploys finds every component, overlay and ServiceAccount on the page."""
    listed = set(re.findall(r"^\| `([a-z./-]+)` \|", PAGE, re.MULTILINE))
    for folder in ("components", "overlays"):
        there = {f"{folder}/{path.name}" for path in (K8S / folder).iterdir()}
        assert there == {name for name in listed if name.startswith(f"{folder}/")}
    assert named("ServiceAccount") <= listed


def test_a_failover_leads_an_overlay_to_the_second_account() -> None:
    """By the command of docs/disaster-recovery.md, as it is there: store and MLflow's artifacts."""
    page = (ROOT / "docs" / "disaster-recovery.md").read_text()
    (typed,) = re.findall(r"`sed -i ('[^`]*') (k8s/overlays/prod/environment\.yaml)`", page)
    edited = subprocess.run(
        ["bash", "-c", f"sed {typed[0]} {typed[1]}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    before = yaml.safe_load((ROOT / typed[1]).read_text())["data"]
    after = yaml.safe_load(edited.stdout)["data"]
    assert after == before | {
        "IRIS_STORE": "azure://irismlsecond",
        "MLFLOW_ARTIFACTS_DESTINATION": "wasbs://mlflow@irismlsecond.blob.core.windows.net/artifacts",
    }
