"""The NetworkPolicies let talk whom docs/kubernetes.md lists, as cyclonus reads them.

Nothing enforces them on the node of the tests: docs/not-proven-here.md.
"""

import itertools
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cluster.node import programs
from tests.cluster.test_manifests import (
    K8S,
    OVERLAYS,
    PAGE,
    SPACE,
    Thing,
    combined,
    of_kind,
    overlay,
    pods,
    ports,
)

OURS = "iris-ml"


class Peer(NamedTuple):
    """Who calls or is called: a pod, or an address that is no pod's."""

    address: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[int, str], ...] = ()


class Call(NamedTuple):
    """Who calls whom, where."""

    source: str
    target: str
    port: int
    protocol: str


# Pods of others, and addresses outside; their namespaces have no policies.
DNS, PROXY = "the cluster's DNS", "the API server's proxy"
PROMETHEUS, MANAGED = "Prometheus", "Azure's managed Prometheus"
ENTRY = "the Gateway `entry`"
STRANGERS = {
    DNS: Peer("10.0.1.1", "kube-system", (("k8s-app", "kube-dns"),)),
    PROXY: Peer("10.0.1.2", "kube-system", (("app", "konnectivity-agent"),)),
    PROMETHEUS: Peer("10.0.1.3", "monitoring", (("app.kubernetes.io/name", "prometheus"),)),
    MANAGED: Peer("10.0.1.6", "kube-system", (("rsName", "ama-metrics"),)),
    ENTRY: Peer(
        "10.0.1.7", "iris-ml-entry", (("gateway.networking.k8s.io/gateway-name", "entry"),)
    ),
    "its neighbour": Peer("10.0.1.4", "monitoring", (("app", "api-gateway"),)),
    "a pod elsewhere": Peer("10.0.1.5", "default", (("app", "promoter"),)),
    "outside": Peer("203.0.113.1"),
}
METADATA = {"the node's metadata": Peer("169.254.169.254")}
# What the page names has no selector where it is one of these: it is any address.
ANYWHERE = ("the API server", "Azure's storage and sign-in", "Azure's PostgreSQL", "clients")
OTHER_PORTS = {53, 80, 443, 5432, 6443}


def peers(things: list[Thing]) -> dict[str, Peer]:
    """Return the pods of an overlay, by their label."""
    where = {
        thing["spec"]["template"]["metadata"]["labels"]["app"]: thing["metadata"]["namespace"]
        for thing in of_kind(things, "Deployment", "StatefulSet").values()
    }
    return {
        app: Peer(
            f"10.0.0.{number}",
            where.get(app, OURS),
            (("app", app),),
            tuple((port, name) for name, port in ports(pod).items()),
        )
        for number, pod in enumerate(pods(things).values(), 1)
        for app in [pod["metadata"]["labels"]["app"]]
    }


def side(peer: Peer) -> dict[str, Any]:
    """Return a peer in cyclonus' words."""
    if not peer.namespace:
        return {"IP": peer.address}
    inside = {
        "Namespace": peer.namespace,
        "NamespaceLabels": {SPACE: peer.namespace},
        "PodLabels": dict(peer.labels),
    }
    return {"IP": peer.address, "Internal": inside}


def judged(things: list[Thing], folder: Path) -> set[Call]:
    """Return which calls cyclonus finds allowed: of each pair, on each port that anybody has."""
    inside = peers(things)
    everybody = inside | STRANGERS
    numbers = OTHER_PORTS | {number for peer in inside.values() for number, _ in peer.ports}
    calls = [
        Call(source, target, number, protocol)
        for source, target in itertools.product(everybody, everybody | METADATA)
        if source in inside or target in inside
        for number, protocol in [*((n, "TCP") for n in sorted(numbers)), (53, "UDP")]
    ]
    everybody |= METADATA
    traffic = [
        {
            "Source": side(everybody[call.source]),
            "Destination": side(everybody[call.target]),
            "Protocol": call.protocol,
            "ResolvedPort": call.port,
            "ResolvedPortName": dict(everybody[call.target].ports).get(call.port, ""),
        }
        for call in calls
    ]
    policies = [thing for thing in things if thing["kind"] == "NetworkPolicy"]
    listed = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": policies}
    (folder / "policies.yaml").write_text(yaml.safe_dump(listed))
    (folder / "traffic.json").write_text(json.dumps(traffic))
    done = subprocess.run(
        [
            str(programs.build() / "cyclonus"),
            *("analyze", "--mode=query-traffic"),
            f"--policy-path={folder / 'policies.yaml'}",
            f"--traffic-path={folder / 'traffic.json'}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts = re.findall(r"IS ALLOWED\? \| +(TRUE|FALSE)", done.stdout)
    assert len(verdicts) == len(calls)
    return {call for call, verdict in zip(calls, verdicts, strict=True) if verdict == "TRUE"}


def named(cell: str, inside: dict[str, Peer]) -> Iterable[str]:
    """Return whom a cell of the page's table names."""
    if cell == f"all in `{OURS}`":
        return [app for app, peer in inside.items() if peer.namespace == OURS]
    if cell in ANYWHERE:
        return STRANGERS
    if cell in STRANGERS:
        return [cell]
    found = re.findall(r"`([\w-]+)`", cell) or [cell]
    return [one for one in found if one in inside or one in STRANGERS]


def told(components: set[str], inside: dict[str, Peer]) -> set[Call]:
    """Return which calls the page's table allows where these components are."""
    section = PAGE.partition("## Who may talk to whom")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| (.+) \| ([\d, ]+) \| ?(.*?) ?\|$", section, re.MULTILINE)
    assert len(rows) == section.count("\n|") - 2, "a row that is no `from, to, port, for`"
    found = set()
    for source, target, numbers, reason in rows:
        only = set(re.findall(r"`([\w-]+)`", "".join(re.findall(r"\((.*)\)$", reason))))
        if only and not only & components:
            continue
        for one, other in itertools.product(named(source, inside), named(target, inside)):
            for number in map(int, numbers.split(", ")):
                found.add(Call(one, other, number, "TCP"))
                if other == DNS and number == 53:
                    found.add(Call(one, other, number, "UDP"))
    return found


def components(name: str) -> set[str]:
    """Return which components an overlay has."""
    text = (K8S / "overlays" / name / "kustomization.yaml").read_text()
    return {Path(each).name for each in yaml.safe_load(text)["components"]}


@pytest.mark.parametrize("name", OVERLAYS)
def test_who_may_talk_to_whom_is_what_the_page_says(name: str, tmp_path: Path) -> None:
    """Each pair of pods, strangers and the outside too, each port; the rest is denied."""
    things = overlay(name)
    expected = told(components(name), peers(things))
    assert judged(things, tmp_path) == expected


@pytest.mark.parametrize("component", ["expose-internal", "expose-public", "monitoring"])
def test_a_component_lets_in_whom_the_page_says(component: str, tmp_path: Path) -> None:
    """In an overlay or not."""
    chosen = ("standalone", "mlflow", component)
    things = combined(tmp_path, *chosen)
    assert judged(things, tmp_path) == told(set(chosen), peers(things))
