"""The dashboard's expressions beside what a real gateway and a real inference process tell."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from artifacts.digests import sha256_hex
from artifacts.release import registry_release
from observability.dashboard import dashboard
from registry.chain import Chain
from registry.exporter import LedgerFigures
from tests.integration.gateway.processes import GatewayProgram
from tests.integration.serving.processes import Inference, free_port
from tests.support.model_files import ROWS, model_file
from tests.support.observability import sample_labels

RULES = Path(__file__).parents[3] / "observability" / "rules.yml"
SCRAPED = {"job", "instance"}
"""What Prometheus adds to each sample."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """All samples that there are, with their labels, and those that the rules make of them."""
    folder = tmp_path_factory.mktemp("inference")
    data, path = model_file(), folder / "model.onnx"
    path.write_bytes(data)
    release = registry_release(1, sha256_hex(data))
    environ = {**release.environ(), "MODEL_PATH": str(path), "INFERENCE_PORT": str(free_port())}
    with (
        Inference(environ, folder) as inference,
        GatewayProgram(INFERENCE_URL=inference.client.base_url) as gateway,
    ):
        gateway.wait_ready()
        gateway.predict(*ROWS).raise_for_status()
        ledger = CollectorRegistry()
        ledger.register(LedgerFigures(Chain, print))
        texts = [
            gateway.get("/metrics").text,
            inference.client.get("/metrics").text,
            generate_latest(ledger).decode(),
        ]
    found: dict[str, set[str]] = {}
    for text in texts:
        for name, labels in sample_labels(text).items():
            found.setdefault(name, set(SCRAPED)).update(labels)
    for name, rule in re.findall(
        r"- record: (\S+)\n +expr: >-\n((?: {10}.*\n)+)", RULES.read_text()
    ):
        found[name] = _listed(rule, "by")
    return found


def test_every_expression_asks_for_what_there_is(known: dict[str, set[str]]) -> None:
    """A misspelt metric or label leaves a plot empty, which looks as if all were well."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            samples = re.findall(r"\b((?:iris[_:]|process_)[\w:]+)(\{.*?\})?", text)
            assert samples, f"{panel['title']} asks for nothing of ours"
            labels: set[str] = set()
            for name, selector in samples:
                assert name in known, f"{panel['title']}: {name}"
                asked = set(re.findall(r"(\w+)(?:=|!)", re.sub(r'"[^"]*"', '""', selector)))
                assert asked <= known[name], f"{panel['title']}: {name}{selector}"
                labels |= known[name]
            assert _listed(text, "by") | _listed(text, "ignoring") <= labels, text
            kept = _listed(text, "by") - {"le"} if " by " in text else labels
            assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= kept, text


def test_every_variable_lists_what_there_is(known: dict[str, set[str]]) -> None:
    """A variable without values leaves all plots empty."""
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.findall(r"^label_values\((.+), (\w+)\)$", variable["query"])[0]
            pattern = re.sub(r'^\{__name__=~"(.*)"\}$', r"\1", name)
            found = [
                labels for known_name, labels in known.items() if re.fullmatch(pattern, known_name)
            ]
            assert found
            assert all(label in labels for labels in found)


def _listed(text: str, clause: str) -> set[str]:
    """Return the labels in all clauses of this kind."""
    lists = re.findall(rf"\b{clause} ?\(([^)]*)\)", text)
    return {label for part in lists for label in re.findall(r"\w+", part)}
