"""The OpenAPI document, made from the types that read requests and write answers.

Version 3.0, because that is what the Swagger UI of `swagger-ui-bundle` can show. It is also what
generators of clients read, and it says no more than they can make code of: `tests/clients`.
"""

from typing import Any

import msgspec

from serving.gateway.problems import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    NOT_READY,
    PROBLEM_TYPES,
    UNAUTHORIZED,
    ProblemType,
)
from serving.gateway.schema import (
    Live,
    ModelDescription,
    PredictAnswer,
    PredictRequest,
    ProblemDetails,
    Readiness,
)

TYPES = (PredictRequest, PredictAnswer, ModelDescription, Live, Readiness, ProblemDetails)
PREDICT_PROBLEMS = tuple(
    kind for kind in PROBLEM_TYPES if kind not in (NOT_FOUND, METHOD_NOT_ALLOWED)
)
# Without them a generator takes a number for a decimal of any length.
FORMATS = {"number": "double", "integer": "int32"}
# What may hold an array or an object with any keys is more than generators can do: of OpenAPI
# Generator's clients, the Java one would not compile and the TypeScript one would send {} for the
# latter. So the type of a row stands in words, and its faults come as a problem.
ROW = {
    "description": "An array with the features in the order of `GET /v1/model`, or an object with "
    "every feature by its name. All are numbers."
}
PROBLEM_SCHEMA = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
TIMEOUT = {
    "name": "Request-Timeout-Ms",
    "in": "header",
    "description": "How long the client waits, in milliseconds; a setting is the most.",
    "schema": {"type": "integer", "minimum": 1},
}
SYNTHETIC = {
    "name": "X-Iris-Synthetic",
    "in": "header",
    "description": "`1`: a test, which is counted apart and never recorded.",
    "schema": {"type": "string", "enum": ["1"]},
}


def document() -> bytes:
    """Return the document as JSON."""
    schemas, components = msgspec.json.schema_components(
        TYPES, ref_template="#/components/schemas/{name}"
    )
    of = dict(zip(TYPES, schemas, strict=True))
    components[PredictRequest.__name__]["properties"]["instances"]["items"] = ROW
    body = {"required": True, "content": {"application/json": {"schema": of[PredictRequest]}}}
    predictions = "The predictions, in the order of the rows"
    predict = {
        "operationId": "predict",
        "tags": ["iris"],
        "summary": "Classify flowers",
        "parameters": [TIMEOUT, SYNTHETIC],
        "requestBody": body,
        "responses": _responses(predictions, of[PredictAnswer], PREDICT_PROBLEMS),
        "security": [{}, {"key": []}],
    }
    model = {
        "operationId": "model",
        "tags": ["iris"],
        "summary": "What is serving",
        "responses": _responses("The release", of[ModelDescription], (UNAUTHORIZED, NOT_READY)),
        "security": [{}, {"key": []}],
    }
    live = _health("live", "The process runs", of[Live])
    ready = _health("ready", "A request would be answered now", of[Readiness], 503)
    started = _health("started", "An instance was ready once, or there is none", of[Readiness], 503)
    counters = {
        "operationId": "metrics",
        "tags": ["operation"],
        "summary": "Predictions counted by release, for Prometheus",
        "responses": {
            "200": _response("All counters", "text/plain", {"type": "string"}),
            "default": _any_other_problem(),
        },
    }
    return msgspec.json.encode(
        _with_formats(
            {
                "openapi": "3.0.3",
                "info": {
                    "title": "Iris ML API",
                    "version": "1",
                    "description": "Species of iris flowers from their measures. Errors are "
                    "`application/problem+json`; each kind is explained in `docs/api.md`.",
                },
                "paths": {
                    "/v1/predict": {"post": predict},
                    "/v1/model": {"get": model},
                    "/health/live": {"get": live},
                    "/health/ready": {"get": ready},
                    "/health/started": {"get": started},
                    "/metrics": {"get": counters},
                },
                "components": {
                    "schemas": components,
                    "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
                },
            }
        )
    )


def _responses(
    description: str, schema: dict[str, Any], problems: tuple[ProblemType, ...]
) -> dict[str, Any]:
    """Return the answers of an operation: the good one, and each status with its problems."""
    responses: dict[str, Any] = {"200": _response(description, "application/json", schema)}
    for status in sorted({problem.status for problem in problems}):
        kinds = [problem for problem in problems if problem.status == status]
        titles = "; or: ".join(f"{kind.title} (`{kind.name}`)" for kind in kinds)
        response = _response(titles, "application/problem+json", PROBLEM_SCHEMA)
        if any(kind.retry_after_s is not None for kind in kinds):
            response["headers"]["Retry-After"] = {"schema": {"type": "integer"}}
        responses[str(status)] = response
    return responses | {"default": _any_other_problem()}


def _any_other_problem() -> dict[str, Any]:
    return _response("Any other problem", "application/problem+json", PROBLEM_SCHEMA)


def _health(name: str, description: str, schema: dict[str, Any], *others: int) -> dict[str, Any]:
    responses = {
        str(status): _response(text, "application/json", schema)
        for status, text in [(200, description), *((other, "Not so") for other in others)]
    }
    responses["default"] = _any_other_problem()
    return {
        "operationId": name,
        "tags": ["operation"],
        "summary": description,
        "responses": responses,
    }


def _response(description: str, content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            name: {"schema": {"type": "string"}} for name in ("X-Request-Id", "X-Model-Version")
        },
        "content": {content_type: {"schema": schema}},
    }


def _with_formats(part: Any) -> Any:
    """Return a part of the document with the format of each number in it."""
    if isinstance(part, list):
        return [_with_formats(each) for each in part]
    if not isinstance(part, dict):
        return part
    full = {name: _with_formats(value) for name, value in part.items()}
    kind = full.get("type")
    return full | {"format": FORMATS[kind]} if isinstance(kind, str) and kind in FORMATS else full
