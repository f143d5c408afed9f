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


def test_every_number_has_a_format() -> None:
    """Without one a client gets decimals of any length, or integers of a size that it guesses."""
    found = re.findall(r'"type":"(number|integer)"([^{}]*)', openapi.document().decode())
    formats = {"number": '"format":"double"', "integer": '"format":"int32"'}
    assert found
    assert all(formats[kind] in rest for kind, rest in found)


def test_no_schema_is_one_of_several() -> None:
    """What may be an array or an object with any keys is more than client generators can do."""
    assert not re.findall('"(?:anyOf|oneOf|allOf)"', openapi.document().decode())


def test_every_error_is_a_problem() -> None:
    """A client decodes each error as the same type; only readiness says no in its own."""
    operations = [each for path in DOCUMENT["paths"].values() for each in path.values()]
    for operation in operations:
        assert "default" in operation["responses"]
        for status, response in operation["responses"].items():
            if status != "200" and (operation["operationId"], status) not in (
                ("ready", "503"),
                ("started", "503"),
            ):
                (schema,) = response["content"].values()
                assert list(response["content"]) == ["application/problem+json"]
                assert schema == {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}


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
