"""A real API server reads every overlay, as it would when it is deployed, and keeps nothing.

`KUBECONFIG` names the cluster. The definitions of custom resources come from their Go modules.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.test_manifests import K8S, KUBECTL, OVERLAYS

DEFINITIONS = {
    "github.com/external-secrets/external-secrets": "deploy/crds/bundle.yaml",
    "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd",
    "sigs.k8s.io/gateway-api": "config/crd/standard",
}

pytestmark = pytest.mark.skipif(
    "KUBECONFIG" not in os.environ, reason="KUBECONFIG names no cluster"
)


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def apply(*words: str) -> subprocess.CompletedProcess[str]:
    """Apply as a deploy does, and refuse a field that the server does not know."""
    return run(KUBECTL, "apply", "--server-side", "--validate=strict", *words)


@pytest.fixture(scope="module", autouse=True)
def known_kinds() -> None:
    """The server knows the custom resources, and the namespaces are there."""
    folder = Path(__file__).parent / "definitions"
    decoder, text = json.JSONDecoder(), run("go", "mod", "download", "-json", cwd=folder).stdout
    while text.strip():
        module, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        apply("--filename", str(Path(module["Dir"], DEFINITIONS[module["Path"]])))
    run(KUBECTL, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    for part in ("base", "components/standalone"):
        apply("--filename", str(K8S / part / "namespace.yaml"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_server_takes_every_object(name: str) -> None:
    """Every field is known, every value valid, and the namespace would refuse no pod."""
    done = apply("--dry-run=server", "--kustomize", str(K8S / "overlays" / name))
    assert "Warning" not in done.stderr


def test_the_server_takes_what_exposes_it_to_the_internet(tmp_path: Path) -> None:
    """No overlay has it, so it is asked about by itself."""
    for name in ("gateway.yaml", "httproute.yaml"):
        text = (K8S / "components" / "expose-public" / name).read_text()
        (tmp_path / name).write_text(text.replace("PUBLIC_HOSTNAME", "iris.example.com"))
    apply("--dry-run=server", "--filename", str(tmp_path))
