"""What `k8s/` renders to: each overlay, and each combination of components."""

import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from bentos.__main__ import DRAIN_S
from serving.gateway.recording import STOP_S
from serving.gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
# That of the node of the tests, where it was built.
BUILT = sorted(CACHE.glob("iris-cluster/kubernetes-*/kubectl"), key=os.path.getmtime)
KUBECTL = os.environ.get("KUBECTL", str(BUILT[-1]) if BUILT else "kubectl")

Thing = dict[str, Any]

OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
OPTIONAL = ("mlflow", "expose-internal", "expose-public")
COMBINATIONS = [
    (store, *monitoring, *chosen)
    for store in ("azure", "standalone")
    for monitoring in ((), ("monitoring",), ("monitoring-azure",))
    for size in range(len(OPTIONAL) + 1)
    for chosen in itertools.combinations(OPTIONAL, size)
]
# Azure's managed Prometheus takes no notice of those of Prometheus' operator.
PODMONITORS = {
    "monitoring": "monitoring.coreos.com/v1",
    "monitoring-azure": "azmonitoring.coreos.com/v1",
}
HOST = "iris.example.com"
SPACE = "kubernetes.io/metadata.name"
WORKLOADS = ("CronJob", "Deployment", "StatefulSet")


def kustomize(folder: Path) -> list[Thing]:
    """Render a folder."""
    done = subprocess.run(
        [KUBECTL, "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@cache
def overlay(name: str) -> list[Thing]:
    """Render an overlay."""
    return kustomize(K8S / "overlays" / name)


def combined(folder: Path, store: str, *chosen: str) -> list[Thing]:
    """Render the base with some components, in the environment of dev."""
    for name in ("azure.yaml", "environment.yaml"):
        text = (K8S / "overlays" / "dev" / name).read_text()
        (folder / name).write_text(f"{text}  PUBLIC_HOSTNAME: {HOST}\n")
    # Both stores patch what is there, MLflow too.
    components = sorted((store, *chosen), key=lambda name: name != "mlflow")
    kustomization = {
        "resources": [os.path.relpath(K8S / "base", folder), "azure.yaml", "environment.yaml"],
        "components": [os.path.relpath(K8S / "components" / name, folder) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return kustomize(folder)


def of_kind(things: list[Thing], *kinds: str) -> dict[str, Thing]:
    """Return the objects of some kinds, by name."""
    return {thing["metadata"]["name"]: thing for thing in things if thing["kind"] in kinds}


def pods(things: list[Thing]) -> dict[str, Thing]:
    """Return the pod templates, by the name of what makes pods of them."""
    found = {}
    for name, thing in of_kind(things, *WORKLOADS).items():
        spec = thing["spec"]
        found[name] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
    return found


def containers(pod: Thing) -> list[Thing]:
    """Return the containers of a pod template, those of its start, too."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def ports(pod: Thing) -> dict[str, int]:
    """Return the ports of a pod template, by name."""
    named = [port for c in containers(pod) for port in c.get("ports", [])]
    return {port["name"]: port["containerPort"] for port in named}


def every(key: str, thing: Any) -> Iterator[Any]:
    """Yield each value under a key, however deep it lies."""
    if isinstance(thing, dict):
        for name, value in thing.items():
            if name == key:
                yield value
            yield from every(key, value)
    elif isinstance(thing, list):
        for each in thing:
            yield from every(key, each)


@pytest.mark.parametrize("components", COMBINATIONS, ids="+".join)
def test_each_combination_of_components_renders(
    components: tuple[str, ...], tmp_path: Path
) -> None:
    """A component does one thing, and needs no other; what is to be filled in is."""
    things = combined(tmp_path, *components)
    assert of_kind(things, "HTTPRoute").keys() == (
        {"api-gateway"} if "expose-public" in components else set()
    )
    hosts = [host for found in every("hostnames", things) for host in found]
    assert hosts == ([HOST] if "expose-public" in components else [])
    monitors = {thing["apiVersion"] for thing in of_kind(things, "PodMonitor").values()}
    assert monitors == {group for name, group in PODMONITORS.items() if name in components}
    assert bool(of_kind(things, "PrometheusRule")) == ("monitoring" in components)
    accounts = of_kind(things, "ServiceAccount").values()
    signed_in = {name for a in accounts for name in a["metadata"].get("annotations", {})}
    assert bool(signed_in) == ("azure" in components)


@pytest.mark.parametrize("name", OVERLAYS)
class TestOverlay:
    """What holds for each overlay."""

    def test_every_pod_obeys_restricted_security(self, name: str) -> None:
        """As the namespace enforces it, and nothing of the image can be written to."""
        for pod in pods(overlay(name)).values():
            whole = pod["spec"]["securityContext"]
            assert whole["runAsNonRoot"]
            assert whole["runAsUser"] > 0
            assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not any("hostPath" in volume for volume in pod["spec"]["volumes"])
            for container in containers(pod):
                own = container["securityContext"]
                assert own == {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                }
        for namespace in of_kind(overlay(name), "Namespace").values():
            labels = namespace["metadata"]["labels"]
            assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_every_container_says_what_it_needs(self, name: str) -> None:
        """CPU and memory to be placed by, a bound on memory and on what it may write."""
        for pod in pods(overlay(name)).values():
            for container in containers(pod):
                assert container["resources"]["requests"].keys() == {"cpu", "memory"}
                assert container["resources"]["limits"].keys() == {"memory"}
            for volume in pod["spec"]["volumes"]:
                assert volume.get("emptyDir", {"sizeLimit": 1})["sizeLimit"]

    def test_no_variable_comes_from_a_service(self, name: str) -> None:
        """A Service `exporter` would set EXPORTER_PORT, which is a setting of ours."""
        for pod in pods(overlay(name)).values():
            assert pod["spec"]["enableServiceLinks"] is False

    def test_images_have_a_version_and_are_not_pulled_twice(self, name: str) -> None:
        """`latest` is another image tomorrow."""
        for pod in pods(overlay(name)).values():
            for container in containers(pod):
                assert re.search(r":(?!latest)[\w.-]+$", container["image"])
                assert container["imagePullPolicy"] == "IfNotPresent"

    def test_what_is_scaled_has_no_replicas(self, name: str) -> None:
        """A deploy would take back what the autoscaler has decided."""
        deployments = of_kind(overlay(name), "Deployment")
        scalers = of_kind(overlay(name), "HorizontalPodAutoscaler")
        assert scalers.keys() == {"api-gateway", "inference-service"}
        for scaler in scalers.values():
            assert "replicas" not in deployments[scaler["spec"]["scaleTargetRef"]["name"]]["spec"]
            (metric,) = scaler["spec"]["metrics"]
            assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
            assert scaler["spec"]["minReplicas"] >= 2

    def test_a_rollout_leaves_no_gap(self, name: str) -> None:
        """No pod goes before its successor is ready, and each ends what it has begun."""
        deployments = of_kind(overlay(name), "Deployment")
        settings = GatewaySettings()
        slowest_ms = 2 * settings.gateway_body_timeout_ms + settings.gateway_request_timeout_ms
        for app, drain in (
            ("api-gateway", slowest_ms / 1000 + STOP_S),
            ("inference-service", DRAIN_S),
        ):
            spec = deployments[app]["spec"]
            assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
            pod = spec["template"]["spec"]
            (container,) = pod["containers"]
            sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] >= sleep + drain
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["path"].startswith("/health/")

    def test_selectors_and_ports_are_those_of_pods(self, name: str) -> None:
        """A selector that matches nothing, or a port that nobody has, is found by nobody."""
        things = overlay(name)
        for workload in of_kind(things, "Deployment", "StatefulSet").values():
            labels = workload["spec"]["template"]["metadata"]["labels"]
            assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
        for service in of_kind(things, "Service").values():
            (pod,) = selected(things, {"matchLabels": service["spec"]["selector"]})
            for port in service["spec"]["ports"]:
                assert ports(pod)[port["targetPort"]] == port["port"]
        for budget in of_kind(things, "PodDisruptionBudget").values():
            assert selected(things, budget["spec"]["selector"])
        for monitor in of_kind(things, "PodMonitor").values():
            (pod,) = selected(things, monitor["spec"]["selector"])
            for end in monitor["spec"]["podMetricsEndpoints"]:
                assert end["port"] in ports(pod)

    def test_probes_ask_a_port_of_their_own_container(self, name: str) -> None:
        """A probe of a port that nobody listens on lets no pod become ready."""
        for pod in pods(overlay(name)).values():
            for container in containers(pod):
                probes = [value for key, value in container.items() if key.endswith("Probe")]
                assert {*every("port", probes)} <= {p["name"] for p in container.get("ports", [])}

    def test_addresses_are_those_of_services(self, name: str) -> None:
        """Each program is told a name and a port that there are."""
        services = of_kind(overlay(name), "Service")
        told = {
            variable["value"]
            for pod in pods(overlay(name)).values()
            for container in containers(pod)
            for variable in container.get("env", [])
            if variable["name"] in ("INFERENCE_URL", "MLFLOW_TRACKING_URI")
        }
        assert len(told) == 2
        for address in map(urlsplit, told):
            service = services[str(address.hostname)]
            assert address.port in {port["port"] for port in service["spec"]["ports"]}

    def test_tokens_are_where_they_are_needed(self, name: str) -> None:
        """The promoter, and of the inference pods only what fetches the model, may ask the API."""
        accounts = of_kind(overlay(name), "ServiceAccount")
        assert not any(account["automountServiceAccountToken"] for account in accounts.values())
        for app, pod in pods(overlay(name)).items():
            assert pod["spec"]["automountServiceAccountToken"] == (app == "promote")
            assert pod["spec"].get("serviceAccountName", "default") in {*accounts, "default"}
            with_token = {
                container["name"]
                for container in containers(pod)
                for mount in container.get("volumeMounts", [])
                if mount["name"] == "api-token"
            }
            assert with_token == ({"download-model"} if app == "inference-service" else set())

    def test_rights_are_those_that_are_listed(self, name: str) -> None:
        """Nobody may more than the page says; what may be written is named."""
        rights = {
            role: [
                f"{verb} {resource}{'/' + one if one else ''}"
                for rule in thing["rules"]
                for resource in rule["resources"]
                for one in rule.get("resourceNames", [""])
                for verb in rule["verbs"]
            ]
            for role, thing in of_kind(overlay(name), "Role").items()
        }
        rows = PAGE.partition("## Accounts and rights")[2].partition("\n## ")[0]
        told = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (.*) \|$", rows, re.MULTILINE))
        for role, rules in rights.items():
            assert sorted(rules) == sorted(listed_rights(told[role])), role
        bound = of_kind(overlay(name), "RoleBinding")
        assert bound.keys() == {"inference-service", "promoter"}
        for who, binding in bound.items():
            assert binding["roleRef"]["name"] == who
            (subject,) = binding["subjects"]
            assert (subject["kind"], subject["name"]) == ("ServiceAccount", who)
        assert not of_kind(overlay(name), "ClusterRole", "ClusterRoleBinding")

    def test_secrets_have_the_keys_that_are_asked_for(self, name: str) -> None:
        """From Key Vault, as from what makes them in its place."""
        things = overlay(name)
        script = (K8S / "components" / "standalone" / "secrets").read_text()
        made = set(re.findall(r"^([a-zA-Z_-]+)=", script, re.MULTILINE))
        made |= set(re.findall(r'"([a-z-]+)=', script))
        for secret in of_kind(things, "ExternalSecret").values():
            made = {entry["secretKey"] for entry in secret["spec"]["data"]}
        asked = {ref["key"] for ref in every("secretKeyRef", things)}
        asked |= {item["key"] for s in every("secret", things) for item in s["items"]}
        assert asked <= made


def listed_rights(cell: str) -> list[str]:
    """Read the page's way of saying rights: `get, patch configmaps/model-config; get pods`."""
    found = []
    for part in cell.replace("`", "").split("; "):
        verbs, _, resources = part.rpartition(" ")
        found += [f"{v} {r}" for v in verbs.split(", ") for r in resources.split("+")]
    return found


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector takes an object with these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )


def selected(things: list[Thing], selector: Mapping[str, Any]) -> list[Thing]:
    """Return the pod templates that a selector takes."""
    return [pod for pod in pods(things).values() if matches(selector, pod["metadata"]["labels"])]


def test_every_namespace_denies_what_is_not_allowed() -> None:
    """A policy that is forgotten leaves something closed, not open."""
    for name in OVERLAYS:
        things = overlay(name)
        closed = {
            thing["metadata"]["namespace"]
            for thing in things
            if thing["kind"] == "NetworkPolicy"
            and thing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        }
        assert closed == of_kind(things, "Namespace").keys()


def flat(thing: Any, path: str = "") -> dict[str, Any]:
    """Return each value of an object by its path."""
    if not isinstance(thing, (dict, list)):
        return {path: thing}
    entries = thing.items() if isinstance(thing, dict) else enumerate(thing)
    found: dict[str, Any] = {}
    for key, value in entries:
        found |= flat(value, f"{path}.{key}")
    return found


# Where prod is not dev, by object and path; the reason is in the overlay.
DIFFERENCES = {
    "every object's label": r"\.metadata\.labels\.iris-ml/environment",
    "which environment it is": r"ConfigMap iris-ml-environment\.data\.IRIS_(ENV|CLUSTER)",
    "how many pods": r"HorizontalPodAutoscaler [\w-]+\.spec\.(min|max)Replicas",
    "a core each": r"Deployment (api-gateway|inference-service)\.spec\.template\.spec\.containers"
    r"\.0\.resources\.requests\.cpu",
    "identities": r"ServiceAccount [\w-]+\.metadata\.annotations\.azure\.workload\.identity/[\w-]+",
    "secrets": r"SecretStore key-vault\.spec\.provider\.azurekv\.vaultUrl",
    "images": r"\.image",
    "exposed to clients": r"Service api-gateway\.(spec\.type|metadata\.annotations\..*)"
    r"|NetworkPolicy expose-internal\..*",
}


def test_prod_differs_from_dev_by_what_must_differ() -> None:
    """What was tried in dev is what runs in prod."""
    dev, prod = (
        {
            path: value
            for thing in overlay(name)
            for path, value in flat(thing, f"{thing['kind']} {thing['metadata']['name']}").items()
        }
        for name in ("dev", "prod")
    )
    differ = {path for path in dev.keys() | prod.keys() if dev.get(path) != prod.get(path)}
    known = re.compile("|".join(f"(?:.*(?:{pattern}))" for pattern in DIFFERENCES.values()))
    assert {path for path in differ if not known.fullmatch(path)} == set()
