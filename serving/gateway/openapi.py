"""The OpenAPI document, made from the types that read requests and write answers.

Version 3.0, because that is what the Swagger UI of `swagger-ui-bundle` can show.
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
    body = {"required": True, "content": {"application/json": {"schema": of[PredictRequest]}}}
    predictions = "The predictions, in the order of the rows"
    predict = {
        "operationId": "predict",
        "summary": "Classify flowers",
        "parameters": [TIMEOUT, SYNTHETIC],
        "requestBody": body,
        "responses": _responses(predictions, of[PredictAnswer], PREDICT_PROBLEMS),
        "security": [{}, {"key": []}],
    }
    model = {
        "operationId": "model",
        "summary": "What is serving",
        "responses": _responses("The release", of[ModelDescription], (UNAUTHORIZED, NOT_READY)),
        "security": [{}, {"key": []}],
    }
    live = _health("live", "The process runs", of[Live])
    ready = _health("ready", "A request would be answered now", of[Readiness], 503)
    started = _health("started", "An instance was ready once", of[Readiness], 503)
    counters = {
        "operationId": "metrics",
        "summary": "Predictions counted by release, for Prometheus",
        "responses": {"200": _response("All counters", "text/plain", {"type": "string"})},
    }
    return msgspec.json.encode(
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


def _responses(
    description: str, schema: dict[str, Any], problems: tuple[ProblemType, ...]
) -> dict[str, Any]:
    """Return the answers of an operation: the good one, and each status with its problems."""
    responses: dict[str, Any] = {"200": _response(description, "application/json", schema)}
    problem_schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    for status in sorted({problem.status for problem in problems}):
        kinds = [problem for problem in problems if problem.status == status]
        titles = "; or: ".join(f"{kind.title} (`{kind.name}`)" for kind in kinds)
        response = _response(titles, "application/problem+json", problem_schema)
        if any(kind.retry_after_s is not None for kind in kinds):
            response["headers"]["Retry-After"] = {"schema": {"type": "integer"}}
        responses[str(status)] = response
    return responses


def _health(name: str, description: str, schema: dict[str, Any], *others: int) -> dict[str, Any]:
    responses = {
        str(status): _response(text, "application/json", schema)
        for status, text in [(200, description), *((other, "Not so") for other in others)]
    }
    return {"operationId": name, "summary": description, "responses": responses}


def _response(description: str, content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            name: {"schema": {"type": "string"}} for name in ("X-Request-Id", "X-Model-Version")
        },
        "content": {content_type: {"schema": schema}},
    }
