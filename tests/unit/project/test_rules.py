"""Prometheus' rules: what they fire on, and whether each alert has its page."""

import re
import shutil
import subprocess

import pytest

from tests.support.observability import page_names
from tests.unit.project.pyproject import ROOT

FOLDER = ROOT / "observability"
RULES = (FOLDER / "rules.yml").read_text()
TESTS = "".join(path.read_text() for path in sorted(FOLDER.glob("*_test.yml")))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)

promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="no promtool: apt-get install prometheus"
)


def test_every_alert_links_to_its_section() -> None:
    """Whoever is woken finds what to do; the runbook has no section of an alert that is gone."""
    linked = re.findall(r'runbook_url: "\{\{ \$externalLabels\.repository \}\}(\S+)"', RULES)
    assert linked == [f"docs/runbook.md#{alert.lower()}" for alert in ALERTS]
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == ALERTS


def test_the_runbook_links_to_what_is_there() -> None:
    """A section that sends the reader on sends him to another one."""
    headings = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= sections


def test_rules_and_runbook_use_metrics_that_exist() -> None:
    """An alert on a misspelt metric never fires."""
    known = page_names("gateway") | page_names("inference") | page_names("ledger")
    used = set(re.findall(r"\b(?:iris_(?:gateway|inference|ledger)|process)_\w+", RULES + RUNBOOK))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= known


def test_every_alert_is_tested_firing() -> None:
    """A rule that was never seen to fire may be one that can't."""
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts", TESTS)
    assert set(tested) == set(ALERTS)


@promtool
def test_the_rules_fire_when_they_must_and_else_are_silent() -> None:
    """Prometheus' own tool reads the rules and runs their tests."""
    tests = sorted(path.name for path in FOLDER.glob("*_test.yml"))
    for command in (["check", "rules", "rules.yml"], ["test", "rules", *tests]):
        done = subprocess.run(
            ["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
