"""The queries on Azure's logs, as Microsoft's own parser reads them, and what is asked of them.

`tables.json` has the columns of the tables, from Azure Monitor's reference.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FOLDER = ROOT / "terraform" / "queries"
PAGE = (ROOT / "docs" / "observability.md").read_text()
FILES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.kql"))}
ALERTS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())
# As the module puts them together.
ASKED = {alert["alert"]: f"{FILES[alert['query']]}| {alert['then']}" for alert in ALERTS}
# What is to be named of each.
MISTAKES = {
    "ContainerLogV2 | where PodNam == 'x'": "PodNam",
    "KubePodInventory | summarize count() by PodName": "PodName",
    "AppRequests | summarize avg(DurationMs)": "AppRequests",
    "ContainerLogV2 | summarize percentil(1.0, 95)": "percentil",
    "ContainerLogV2 | where": "Missing",
}

pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not (ROOT / "node_modules" / "@kusto").exists(),
    reason="no Node.js, or npm ci has not been run",
)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """Of each query: what is wrong, which tables it reads, which columns come out of it."""
    done = subprocess.run(
        ["node", HERE / "kql.js", HERE / "tables.json"],
        input=json.dumps(FILES | ASKED | {query: query for query in MISTAKES}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", [*FILES, *ASKED])
def test_a_query_is_one_and_asks_for_what_there_is(
    found: dict[str, dict[str, Any]], name: str
) -> None:
    """A misspelt column is found before an incident, not in it."""
    assert found[name]["wrong"] == []
    assert len(found[name]["tables"]) == 1


@pytest.mark.parametrize("query", MISTAKES)
def test_a_mistake_is_named(found: dict[str, dict[str, Any]], query: str) -> None:
    """A column, a table, a function: were none named, there would be nothing wrong with ours."""
    (wrong,) = found[query]["wrong"]
    assert wrong.startswith("line 1: Error: ")
    assert MISTAKES[query] in wrong


def test_queries_read_fields_that_lines_have() -> None:
    """What is in a line is no column, so that no parser knows it: the page does."""
    listed = PAGE.partition("## Logs")[2].partition("\n## ")[0]
    fields = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", listed, re.MULTILINE)))
    )
    read = set(re.findall(r"\bLine\.(\w+)", "".join(FILES.values())))
    assert read
    assert read <= fields


@pytest.mark.parametrize("text", [*FILES.values(), *ASKED.values()], ids=[*FILES, *ASKED])
def test_no_query_names_a_time(text: str) -> None:
    """The workbook asks for the time that is chosen there, an alert for its window."""
    assert not re.search(r"\b(ago|now|datetime)\s*\(", text)


@pytest.mark.parametrize("alert", ALERTS, ids=list(ASKED))
def test_an_alert_measures_what_comes_out(
    found: dict[str, dict[str, Any]], alert: dict[str, Any]
) -> None:
    """A number for each of what it is counted by, and no time, by which Azure would divide it."""
    columns = found[alert["alert"]]["columns"]
    assert columns == {alert["by"]: "string", alert["measure"]: "long"}
