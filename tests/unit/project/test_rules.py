"""Alerts, of Prometheus and of Azure: what they fire on, and whether each has its page."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.support.observability import page_names
from tests.unit.project.pyproject import ROOT

FOLDER = ROOT / "observability"
FILES = ("rules.yml", "cluster-rules.yml")
RULES, CLUSTER_RULES = ((FOLDER / name).read_text() for name in FILES)
TESTS = "".join(path.read_text() for path in sorted(FOLDER.glob("*_test.yml")))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
ALERTS, CLUSTER_ALERTS = (re.findall(r"- alert: (\w+)", text) for text in (RULES, CLUSTER_RULES))
LOG_ALERTS: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "terraform" / "queries" / "alerts.yml").read_text()
)

promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="no promtool: apt-get install prometheus"
)


def test_every_alert_links_to_its_section() -> None:
    """Whoever is woken finds what to do; the runbook has no section of an alert that is gone."""
    link = r'runbook_url: "\{\{ \$externalLabels\.repository \}\}(\S+)"'
    alerts = ALERTS + CLUSTER_ALERTS
    linked = re.findall(link, RULES + CLUSTER_RULES)
    assert linked == [f"docs/runbook.md#{alert.lower()}" for alert in alerts]
    # Those on logs are linked by their name, where Azure is told of them.
    alerts += [alert["alert"] for alert in LOG_ALERTS]
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == alerts


def test_rules_and_runbook_use_metrics_that_exist() -> None:
    """An alert on a misspelt metric never fires."""
    known = page_names("gateway") | page_names("inference") | page_names("ledger")
    used = set(re.findall(r"\b(?:iris_(?:gateway|inference|ledger)|process)_\w+", RULES + RUNBOOK))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= known


def test_every_alert_is_tested_firing() -> None:
    """A rule that was never seen to fire may be one that can't."""
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts", TESTS)
    assert set(tested) == {*ALERTS, *CLUSTER_ALERTS}


def lead(section: str) -> str:
    """Return the sentence that a section of the runbook begins with."""
    found = re.search(rf"^## {section}\n\n\*\*(.+?)\*\*", RUNBOOK, re.MULTILINE)
    assert found, section
    return found[1]


def bounds() -> dict[str, tuple[str, str]]:
    """Return the bound and the duration of each alert on pods and logs, as people write them."""
    found = {}
    for rule in yaml.safe_load(CLUSTER_RULES)["groups"][0]["rules"]:
        (bound,) = set(re.findall(r"> ([\d.]+)", rule["expr"]))
        minutes = rule.get("for") or re.findall(r"\[(\d+m)\]", rule["expr"])[0]
        amount = f"{float(bound):.0%}".replace("%", " %") if 0 < float(bound) < 1 else bound
        found[rule["alert"]] = (amount, minutes.removesuffix("m"))
    for alert in LOG_ALERTS:
        number, unit = re.fullmatch(r"PT(\d+)([MH])", alert["window"]).groups()  # type: ignore[union-attr]
        minutes = str(int(number) * {"M": 1, "H": 60}[unit])
        found[alert["alert"]] = (str(alert["above"]), minutes)
    return found


@pytest.mark.parametrize("alert", bounds())
def test_the_runbook_has_the_bounds_of_the_alert(alert: str) -> None:
    """Between two numbers nobody knows whether there is an incident."""
    bound, minutes = bounds()[alert]
    assert f"{minutes} minutes" in lead(alert)
    if bound != "0":  # no pod may be missing
        assert f"more than {bound} " in lead(alert)


def test_symptoms_begin_where_their_alerts_fire() -> None:
    """The section of a symptom, and what is said of the former numbers, have the same bounds."""
    cpu, minutes = bounds()["IrisCpuHigh"]
    memory, _ = bounds()["IrisMemoryHigh"]
    assert bounds()["IrisMemoryHigh"][1] == minutes
    assert lead("High CPU").startswith(f"CPU above {cpu} for {minutes} minutes")
    assert lead("High memory").startswith(f"Memory above {memory} of its limit for {minutes} min")
    assert f"{cpu} and {memory} for {minutes} minutes, for the page and for the alert" in RUNBOOK


def test_the_runbook_has_the_objectives_of_the_rules() -> None:
    """What is promised to clients is what is watched."""
    text = RUNBOOK.partition("# Alerts")[2]
    promised = re.findall(r"([\d,]+) of ([\d,]+) ", text.partition("##")[0])
    budgets = {
        round(1 - int(good.replace(",", "")) / int(of.replace(",", "")), 6) for good, of in promised
    }
    asked = re.findall(r"iris:\w+:ratio_rate\w+ > (?:[\d.]+ \* )?([\d.]+)", RULES)
    assert budgets == set(map(float, asked))
    (limit,) = set(re.findall(r'le="([\d.]+)"', RULES))
    assert set(re.findall(r"(\d+) ms", text)) == {f"{float(limit) * 1000:.0f}"}
    assert "iris_ledger_open_operation_seconds > 3600" in RULES
    assert "begun an hour ago" in lead("IrisOperationOpen")


def test_the_runbook_has_the_aim_of_the_autoscalers() -> None:
    """At 70 % nobody has to do anything; that the number is this one, the manifests say."""
    for app in ("api-gateway", "inference-service"):
        file = ROOT / "k8s" / "base" / app / "horizontalpodautoscaler.yaml"
        (metric,) = yaml.safe_load(file.read_text())["spec"]["metrics"]
        aim = metric["resource"]["target"]["averageUtilization"]
        assert f"At {aim} % of what a pod requests the autoscaler adds pods" in RUNBOOK
        assert f"which aims at {aim} %" in RUNBOOK


@promtool
def test_the_rules_fire_when_they_must_and_else_are_silent() -> None:
    """Prometheus' own tool reads the rules and runs their tests."""
    tests = sorted(path.name for path in FOLDER.glob("*_test.yml"))
    for command in (["check", "rules", *FILES], ["test", "rules", *tests]):
        done = subprocess.run(
            ["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
