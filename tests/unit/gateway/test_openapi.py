"""The OpenAPI document."""

import re
from typing import Any

import msgspec

from serving.gateway import openapi
from serving.gateway.problems import PROBLEM_TYPES
from serving.gateway.schema import EXAMPLE, PredictRequest

DOCUMENT: dict[str, Any] = msgspec.json.decode(openapi.document())


def test_every_reference_leads_somewhere() -> None:
    """A `$ref` names a schema of the document."""
    names = re.findall(r'"\$ref":"#/components/schemas/(\w+)"', openapi.document().decode())
    assert names
    assert set(names) <= set(DOCUMENT["components"]["schemas"])


def test_it_is_openapi_3_0() -> None:
    """The document has no type `null`, which OpenAPI 3.0 does not know."""
    assert '"null"' not in openapi.document().decode()


def test_the_example_is_a_valid_request() -> None:
    """What the document shows as an example is accepted."""
    msgspec.convert({"instances": EXAMPLE}, PredictRequest)
    schema = DOCUMENT["components"]["schemas"]["PredictRequest"]["properties"]["instances"]
    assert schema["example"] == EXAMPLE


def test_it_has_every_problem_of_a_prediction() -> None:
    """All problems but those of a wrong path or method stand under the prediction."""
    responses = DOCUMENT["paths"]["/v1/predict"]["post"]["responses"]
    for kind in PROBLEM_TYPES:
        if kind.status not in (404, 405):
            assert f"`{kind.name}`" in responses[str(kind.status)]["description"]
