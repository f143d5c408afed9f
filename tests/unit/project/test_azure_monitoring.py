"""What Azure is asked for, and who writes it: docs/azure-monitoring.md beside the rest."""

import json
import re

import pytest
import yaml

from tests.unit.project.pyproject import ROOT
from tests.unit.project.test_rules import CLUSTER_RULES, RULES

PAGE = (ROOT / "docs" / "azure-monitoring.md").read_text()
QUERIES = sorted((ROOT / "terraform" / "queries").glob("*.kql"))
MODULE = "".join(
    path.read_text() for path in sorted((ROOT / "terraform/modules/monitoring").glob("*.tf"))
)
# What managed Prometheus collects of these targets unless told otherwise, by Microsoft's page.
COLLECTED = json.loads((ROOT / "tests" / "azure" / "collected.json").read_text())
MONITORS = {
    thing["metadata"]["name"]
    for thing in yaml.safe_load_all(
        (ROOT / "k8s" / "components" / "monitoring" / "podmonitor.yaml").read_text()
    )
}
PROGRAMS = {
    "api-gateway": "serving/gateway",
    "exporter": "registry/exporter.py",
    "inference-service": "serving/inference",
}
"""What runs in the pods that a PodMonitor names."""
ROWS = dict(re.findall(r"^\| `(\w+…?)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE))


def tables() -> set[str]:
    """Return the tables that the queries begin with."""
    found = [re.findall(r"^(\w+)$", path.read_text(), re.MULTILINE) for path in QUERIES]
    assert all(len(names) == 1 for names in found)
    return {names[0] for names in found}


def metrics() -> set[str]:
    """Return the metrics that the rules read; those of our own programs by their beginning."""
    text = RULES + CLUSTER_RULES
    ours = re.findall(r"\b(iris_[a-z]+_|process_)\w+", text)
    return {f"{name}…" for name in ours} | set(re.findall(r"\b(?:kube|container)_\w+", text))


def test_the_page_has_a_row_for_each_table_and_metric() -> None:
    """Whoever adds a query says who writes what it reads."""
    assert tables() | metrics() == ROWS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_each_table_and_metric_is_written(name: str) -> None:
    """By a stream that the module collects, a target that is scraped, or a PodMonitor."""
    found = re.fullmatch(r"the (stream|default target|PodMonitor) `([\w-]+)`", ROWS[name])
    assert found, ROWS[name]
    way, by = found.groups()
    if way == "stream":
        assert by == f"Microsoft-{name}"
        assert f'"{by}"' in MODULE
    elif way == "default target":
        assert name in COLLECTED[by]
    else:
        assert PROGRAMS.keys() == MONITORS
        program = ROOT / PROGRAMS[by]
        files = program.rglob("*.py") if program.is_dir() else [program]
        assert any(name.removesuffix("…") in file.read_text() for file in files)
