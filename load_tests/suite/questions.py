"""What is sent: rows of which every answer is known, mistakes, and questions about the service."""

import json
import random
from collections.abc import Iterator, Sequence

import msgspec

KINDS = ("single", "table", "mistake", "reader")
SEED = 11
ROWS = 4096
TABLES = 256
LARGEST_TABLE = 100
NAMED = 4
"""Every so-manieth single row is sent with its features named."""
SPREAD = 0.2
"""The standard deviation of a feature over the width of its training range, about its middle: one
row in twenty or so has a value outside of it."""

_JSON = {"content-type": "application/json"}
PREDICT = "/v1/predict"

Row = list[float]


class Feature(msgspec.Struct, frozen=True):
    """A feature with what the training rows held of it."""

    name: str
    minimum: float
    maximum: float


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and what its answer must be."""

    kind: str
    name: str
    method: str = "POST"
    path: str = PREDICT
    headers: dict[str, str] = {}
    body: bytes = b""
    first: int = 0
    """Which row of the pool is its first."""
    count: int = 0
    """How many rows of the pool it holds; 0: the answer is no prediction."""
    status: int = 200
    problem: str = ""
    """The name of the problem that it must be answered with."""
    contains: str = ""
    """What its answer must hold."""


def draw(features: Sequence[Feature], count: int = ROWS, seed: int = SEED) -> list[Row]:
    """Return rows that all differ, over the training ranges and somewhat beyond."""
    dice = random.Random(seed)  # noqa: S311 - a load, no secret
    found: dict[tuple[float, ...], None] = {}
    while len(found) < count:
        row = tuple(
            round(dice.gauss((f.minimum + f.maximum) / 2, (f.maximum - f.minimum) * SPREAD), 3)
            for f in features
        )
        found[row] = None
    return [list(row) for row in found]


def questions(pool: Sequence[Row], features: Sequence[Feature]) -> list[Question]:
    """Return everything that is asked, of each kind in the order in which it is sent."""
    names = [feature.name for feature in features]
    return [*_singles(pool, names), *_tables(pool), *mistakes(names), *READERS]


def _singles(pool: Sequence[Row], names: list[str]) -> Iterator[Question]:
    for index, row in enumerate(pool):
        named = index % NAMED == NAMED - 1
        instance = dict(zip(names, row, strict=True)) if named else row
        yield Question(
            kind="single",
            name="1 row, named" if named else "1 row",
            headers=_JSON,
            body=_body([instance]),
            first=index,
            count=1,
        )


def _tables(pool: Sequence[Row]) -> Iterator[Question]:
    dice = random.Random(SEED)  # noqa: S311 - a load, no secret
    for _ in range(TABLES):
        count = dice.randint(min(2, len(pool)), min(LARGEST_TABLE, len(pool)))
        first = dice.randint(0, len(pool) - count)
        rows = pool[first : first + count]
        yield Question(
            kind="table",
            name="2 to 100 rows",
            headers=_JSON,
            body=_body(rows),
            first=first,
            count=count,
        )


READERS = [
    Question(kind="reader", name=path, method="GET", path=path, contains=contains)
    for path, contains in (
        ("/v1/model", '"sha256"'),
        ("/health/live", '"live"'),
        ("/health/ready", '"ready"'),
        ("/health/started", '"ready"'),
        ("/metrics", "iris_gateway_requests_total"),
        ("/openapi.json", '"openapi"'),
    )
]


def mistakes(names: Sequence[str]) -> list[Question]:
    """Return what clients do wrongly, each with the problem that says so.

    Left out is what no HTTP client sends (`invalid-http`), what takes the limit of ten seconds
    (`body-timeout`), and `unauthorized`, which only keys bring about.
    """
    width = len(names)
    row = [1.0] * width
    named: dict[str, object] = dict.fromkeys(names, 1.0)
    last, rest = names[-1], dict.fromkeys(names[:-1], 1.0)
    instance: list[tuple[str, object]] = [
        ("a value too few", row[:-1]),
        ("a value too many", [*row, 1.0]),
        ("no values", []),
        ("a string for a number", [*row[:-1], "1.0"]),
        ("a boolean for a number", [*row[:-1], True]),
        ("null for a number", [*row[:-1], None]),
        ("a list for a number", [*row[:-1], [1.0]]),
        ("too large a number", [*row[:-1], 1e16]),
        ("not a number", [*row[:-1], float("nan")]),
        ("infinity", [*row[:-1], float("-inf")]),
        ("a number for a row", 1.0),
        ("null for a row", None),
        ("a feature is missing", rest),
        ("an unknown feature", {**named, "colour": 1.0}),
        ("a misspelt feature", {**rest, f"{last} ": 1.0}),
        ("a string for a named number", {**rest, last: "1.0"}),
    ]
    bodies = [
        ("an empty body", b"", "invalid-json"),
        ("half a body", b'{"instances": [[1.0', "invalid-json"),
        ("no JSON", b"sepal_length=5.1", "invalid-json"),
        ("UTF-16", '{"instances": []}'.encode("utf-16"), "invalid-json"),
        ("an array around the rows", _dumped([row]), "invalid-rows"),
        ("no instances", b"{}", "invalid-rows"),
        ("no rows", _body([]), "invalid-rows"),
        ("an object for the rows", _dumped({"instances": named}), "invalid-rows"),
        ("an unknown field", _dumped({"instances": [row], "model": 1}), "invalid-rows"),
        ("a doubled field", b'{"instances":[],"instances":[%s]}' % _dumped(row), "invalid-rows"),
        ("a fault in the last of 100 rows", _body([*[row] * 99, row[1:]]), "invalid-rows"),
        *((what, _body([found]), "invalid-rows") for what, found in instance),
    ]
    status = {"invalid-json": 400, "invalid-rows": 422}
    good = _body([row])
    return [
        *(_mistake(what, status[problem], problem, body) for what, body, problem in bodies),
        _mistake("no content type", 415, "wrong-content-type", good, headers={}),
        _mistake("a form", 415, "wrong-content-type", good, headers={"content-type": "text/plain"}),
        _mistake(
            "a compressed body",
            415,
            "wrong-content-type",
            good,
            headers={**_JSON, "content-encoding": "gzip"},
        ),
        _mistake(
            "no time to wait",
            400,
            "invalid-header",
            good,
            headers={**_JSON, "request-timeout-ms": "0"},
        ),
        _mistake("GET for POST", 405, "method-not-allowed", method="GET"),
        _mistake("PUT for POST", 405, "method-not-allowed", good, method="PUT"),
        _mistake("POST for GET", 405, "method-not-allowed", b"", path="/v1/model"),
        _mistake("no such path", 404, "not-found", good, path="/v1/predictions"),
        _mistake("too large a body", 413, "body-too-large", b" " * (256 * 1024 + 1)),
        _mistake("too large a head", 431, "head-too-large", good, headers={"x-note": "a" * 40_000}),
    ]


def _mistake(  # noqa: PLR0913  each is another mistake
    name: str,
    status: int,
    problem: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = PREDICT,
    headers: dict[str, str] | None = None,
) -> Question:
    return Question(
        kind="mistake",
        name=name,
        method=method,
        path=path,
        headers=_JSON if headers is None else headers,
        body=body,
        status=status,
        problem=problem,
    )


def _body(instances: Sequence[object]) -> bytes:
    return _dumped({"instances": list(instances)})


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
