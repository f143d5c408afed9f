"""Grafana's dashboard: as its panels say, readable by Grafana and Prometheus, and linked."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

from observability.dashboard import dashboard
from tests.unit.project.pyproject import ROOT
from tests.unit.project.test_rules import ALERTS, RULES, promtool

FILE = ROOT / "observability" / "dashboard.json"
PANELS: list[dict[str, Any]] = dashboard()["panels"]
PLOTS = [panel for panel in PANELS if panel["type"] != "row"]


def test_the_file_is_what_the_panels_make() -> None:
    """Who changes a panel runs `make dashboard`; who changes the file alone loses it."""
    assert json.loads(FILE.read_text()) == dashboard()


def test_panels_have_ids_of_their_own_and_lie_on_the_page_side_by_side() -> None:
    """Grafana drops one of two panels with an id, and moves what overlaps."""
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


def test_every_panel_says_its_unit_and_what_to_do() -> None:
    """Who looks at a plot in the night does not know it by heart."""
    for panel in PLOTS:
        assert panel["targets"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len(panel["description"]) > 20


def test_every_alert_is_linked_and_every_link_is_to_a_section() -> None:
    """From each plot the way goes on to the alerts that it explains, and no alert is left out."""
    linked = re.findall(r"\[(\w+)\]\(\$\{repository\}docs/runbook\.md#(\w+)\)", FILE.read_text())
    assert {name for name, _ in linked} == set(ALERTS)
    assert all(anchor == name.lower() for name, anchor in linked)
    assert FILE.read_text().count("](") == len(linked)


def test_the_budgets_are_those_of_the_alerts() -> None:
    """Who changes an objective in the rules changes it in the dashboard, too."""
    shown = re.findall(r"iris:(\w+):ratio_rate\w+ / ([\d.]+)", FILE.read_text())
    asked = re.findall(r"iris:(\w+):ratio_rate\w+ > (?:[\d.]+ \* )?([\d.]+)", RULES)
    assert set(shown) == set(asked)


@promtool
def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    """Each expression is one, once Grafana has put in what was chosen."""
    expressions = [target["expr"] for panel in PLOTS for target in panel["targets"]]
    chosen = {"$__rate_interval": "5m", "$instance": "a|b", "$release": ".*"}
    for name, value in chosen.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    assert not [expression for expression in expressions if "$" in expression]
    rules = [{"record": f"panel_{i}", "expr": text} for i, text in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(expressions)} rules found" in done.stdout
