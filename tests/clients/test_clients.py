"""Generated clients say what HTTP says, in their own types."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import generated
from tests.clients.conftest import KEY, Gateways
from tests.clients.generated import Client
from tests.integration.gateway.processes import GatewayProgram
from tests.integration.gateway.test_keys import bearer

# Generator and libraries may have to be fetched first.
pytestmark = pytest.mark.timeout(900)

ARRAY = [5.1, 3.5, 1.4, 0.2]
NAMED = {"sepal_length": 6.2, "sepal_width": 2.9, "petal_length": 4.3, "petal_width": 1.3}


def prediction(answer: httpx.Response) -> dict[str, Any]:
    """Return of an answer what the programs print of it."""
    body = answer.raise_for_status().json()
    warnings = body.get("warnings", [])
    outside = [{name: each[name] for name in ("row", "field", "value")} for each in warnings]
    version = body["model"]["version"]
    return {"version": version, "predictions": body["predictions"], "outside": outside}


def description(answer: httpx.Response) -> dict[str, Any]:
    """Return of the model what the programs print of it."""
    body = answer.raise_for_status().json()
    return {
        **{name: body[name] for name in ("version", "sha256", "labels")},
        "names": [feature["name"] for feature in body["features"]],
        "maximum": body["features"][0]["maximum"],
        "golden": body["golden"]["probabilities"],
    }


def problem(answer: httpx.Response) -> dict[str, Any]:
    """Return of a problem what the programs print of it, without the request's id."""
    body = answer.json()
    assert answer.status_code == body["status"]
    kept = {name: body[name] for name in ("type", "title", "status", "detail")}
    return {**kept, "faults": body.get("errors", [])}


def expected(gateway: GatewayProgram, **headers: str) -> dict[str, Any]:
    """Return what the programs should print."""
    bad = {**NAMED, "petal_width": True}
    return {
        "array": prediction(gateway.predict(ARRAY, headers=headers)),
        "named": prediction(gateway.predict(NAMED, headers=headers)),
        "outside": prediction(gateway.predict(NAMED, [5.1, 3.5, 1.4, 13], headers=headers)),
        "model": description(httpx.get(f"{gateway.url}/v1/model", headers=headers, verify=False)),
        "bad": problem(gateway.predict(NAMED, bad, headers=headers)),
    }


def without_id(refused: dict[str, Any]) -> dict[str, Any]:
    """Return a printed problem without the id of the request, which is that of the header."""
    assert refused["requestId"]
    assert refused["requestId"] == refused["header"]
    return {name: value for name, value in refused.items() if name not in ("requestId", "header")}


def test_the_document_is_valid(document: Path) -> None:
    """The generator's own check has nothing to say against the document, nor to recommend."""
    said = generated.generator("validate", "--recommend", "--input-spec", document)
    assert "No validation issues detected." in said


def test_the_generator_has_nothing_to_warn_of(client: Client) -> None:
    """A warning stands for something that it could not make code of."""
    assert "writing file" in client.generator_said
    assert not re.findall(r"^.*\b(?:WARN|ERROR)\b.*$", client.generator_said, re.MULTILINE)


def test_a_client_reads_what_http_says(client: Client, gateways: Gateways) -> None:
    """Rows of both forms, the model, and what is wrong with a row come in the client's types."""
    said = client.run(gateways.free.url)
    assert {**said, "bad": without_id(said["bad"])} == expected(gateways.free)
    assert said["array"]["predictions"][0]["label"] == "setosa"
    assert said["outside"]["outside"][0]["row"] == 1
    assert said["bad"]["type"] == "docs/api.md#invalid-rows"
    assert [(fault["row"], fault["field"]) for fault in said["bad"]["faults"]] == [
        (1, "petal_width")
    ]


def test_a_client_sends_its_key(client: Client, gateways: Gateways) -> None:
    """The key is set once, in the client's configuration, and goes with each call."""
    said = client.run(gateways.guarded.url, KEY)
    found = {**said, "bad": without_id(said["bad"])}
    assert found == expected(gateways.guarded, **bearer(KEY))


def test_a_client_without_a_key_reads_why_it_is_refused(client: Client, gateways: Gateways) -> None:
    """A refusal is the same typed problem as any other."""
    refusal = problem(gateways.guarded.predict(ARRAY))
    assert refusal["type"] == "docs/api.md#unauthorized"
    said = client.run(gateways.guarded.url)
    assert [without_id(each) for each in said.values()] == [refusal] * 5
