"""A real API server reads every overlay, as it would when it is deployed, and keeps nothing.

The definitions of custom resources come from their Go modules; Azure's of PodMonitors are those of
Prometheus' operator in a group of another name, by its documentation.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.node import layout
from tests.cluster.test_manifests import K8S, KUBECTL, OVERLAYS

DEFINITIONS = {
    "github.com/external-secrets/external-secrets": "deploy/crds/bundle.yaml",
    "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd",
    "sigs.k8s.io/gateway-api": "config/crd/standard",
}
SPACES = [K8S / part / "namespace.yaml" for part in ("base", "components/standalone", "entry")]


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed, in the cluster of KUBECONFIG or on the node."""
    environ = {"KUBECONFIG": str(layout.KUBECONFIG), **os.environ}
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def dry_run(*words: str) -> subprocess.CompletedProcess[str]:
    """Apply as a deploy does, keep nothing, and refuse a field that the server does not know.

    Whose a field is has no say here: what is deployed may have been changed by hand.
    """
    options = ("--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts")
    return run(KUBECTL, "apply", *options, *words)


def definitions() -> list[Path]:
    """Return the files that define the custom resources."""
    folder = Path(__file__).parent / "definitions"
    decoder, text = json.JSONDecoder(), run("go", "mod", "download", "-json", cwd=folder).stdout
    found = []
    while text.strip():
        module, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(Path(module["Dir"], DEFINITIONS[module["Path"]]))
    return found


def azures(folder: Path) -> Path:
    """Write the definition of Azure's PodMonitors, and return the file."""
    (operators,) = (path for path in definitions() if path.name == "prometheus-operator-crd")
    text = (operators / "monitoring.coreos.com_podmonitors.yaml").read_text()
    group = r"^(  name: podmonitors\.|  group: )(monitoring\.coreos\.com)$"
    text, changed = re.subn(group, r"\1az\2", text, flags=re.MULTILINE)
    assert changed == 2
    file = folder / "azmonitoring.yaml"
    file.write_text(text)
    return file


@pytest.fixture(scope="module", autouse=True)
def known_kinds(cluster: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The server knows the custom resources, and the namespaces are there: those that were stay."""
    made = []
    for path in (*definitions(), azures(tmp_path_factory.mktemp("definitions")), *SPACES):
        named = run(KUBECTL, "create", "--dry-run=client", "-o", "name", "-f", str(path)).stdout
        there = run(KUBECTL, "get", "--ignore-not-found", "-o", "name", *named.split()).stdout
        if set(there.split()) != set(named.split()):
            run(KUBECTL, "apply", "--server-side", "--filename", str(path))
            made.append(path)
    run(KUBECTL, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    yield
    for path in made:
        run(KUBECTL, "delete", "--timeout=120s", "--filename", str(path))


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_server_takes_every_object(name: str) -> None:
    """Every field is known, every value valid, and the namespace would refuse no pod."""
    done = dry_run("--kustomize", str(K8S / "overlays" / name))
    assert "Warning" not in done.stderr


def test_the_server_takes_what_exposes_it_to_the_internet(tmp_path: Path) -> None:
    """No overlay has it, so it is asked about by itself."""
    text = (K8S / "components" / "expose-public" / "httproute.yaml").read_text()
    (tmp_path / "httproute.yaml").write_text(text.replace("PUBLIC_HOSTNAME", "iris.example.com"))
    dry_run("--filename", str(tmp_path))
    dry_run("--kustomize", str(K8S / "entry"))


@pytest.mark.parametrize("name", ["podmonitor.yaml", "prometheusrule.yaml"])
def test_the_server_takes_what_prometheus_operator_is_asked_for(name: str) -> None:
    """In no overlay, too: those on Azure have its managed Prometheus."""
    dry_run("--filename", str(K8S / "components" / "monitoring" / name))
