"""What a client sends, and what it gets."""

import gzip
import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.gateway.processes import (
    GatewayProgram,
    UpstreamProgram,
    is_answer_to,
    raw,
    row,
)

GOOD = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
JSON = {"content-type": "application/json"}


def post(gateway: GatewayProgram, body: bytes, **headers: str) -> httpx.Response:
    """Send a body to `/v1/predict`."""
    return gateway.post("/v1/predict", content=body, headers=JSON | headers)


def assert_problem(answer: httpx.Response, status: int, name: str) -> None:
    """Check that an answer is the named problem, in full."""
    body = answer.json()
    assert (answer.status_code, body["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"docs/api.md#{name}"
    assert body["request_id"] == answer.headers["x-request-id"]


def test_a_prediction(gateway: GatewayProgram) -> None:
    """Arrays and named rows are answered in order, with the release in body and header."""
    named = dict(
        zip(["petal_width", "sepal_length", "sepal_width", "petal_length"], row(7), strict=True)
    )
    answer = gateway.predict(row(400), named | {"sepal_length": 300}, row(200))
    assert answer.status_code == 200
    assert is_answer_to(answer.json(), 400, 300, 200)
    assert answer.json()["model"]["name"] == "iris-classifier"
    assert answer.json()["predictions"][0]["label"] == "virginica"
    assert "warnings" not in answer.json()
    assert answer.headers["x-model-version"] == answer.json()["model"]["version"] == "1"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/model", "/health/live", "/docs", "/nowhere"])
def test_every_answer_names_the_version(gateway: GatewayProgram, path: str) -> None:
    """Whatever is asked, also where it is refused, the headers say what is serving."""
    answer = gateway.get(path)
    assert answer.headers["x-model-version"] == "1"
    assert answer.headers["x-request-id"]


def test_values_out_of_range_are_answered_with_a_warning(gateway: GatewayProgram) -> None:
    """A warning names row, field, value and range, and the row is answered."""
    body = gateway.predict(row(5), [5.1, 3.5, 1.4, 1200]).json()
    assert is_answer_to(body, 5, 5.1)
    [warning] = body["warnings"]
    assert (warning["row"], warning["field"], warning["value"]) == (1, "petal_width", 1200)
    assert (warning["minimum"], warning["maximum"]) == (0.1, 999)


NO_NUMBER = {
    "sepal_length": b"[NaN, 2, 3, 4]",
    "sepal_width": b"[1, -Infinity, 3, 4]",
    "petal_length": b"[1, 2, 1e400, 4]",
    "petal_width": b"[1, 2, 3, 1%s]" % (b"0" * 400),
}
DOUBLED = b"""{"sepal_length": 1, "sepal_width": 1, "petal_length": 1, "petal_width": 1,
    "sepal_width": 1}"""


@pytest.mark.parametrize(
    ("rows", "row", "field"),
    [
        *((b"[%s]" % value, 0, field) for field, value in NO_NUMBER.items()),
        (b'[[1, 2, 3, 4], ["1", 2, 3, 4]]', 1, "sepal_length"),
        (b"[[1, 2, 3, true]]", 0, "petal_width"),
        (b'[{"sepal_length": 1}]', 0, "sepal_width"),
        (b'[{"colour": 1}]', 0, "sepal_length"),
        (b"[%s]" % DOUBLED, 0, "sepal_width"),
        (b"[[1, 2, 3]]", 0, None),
        (b"[]", None, "instances"),
        (b"[%s]" % b", ".join([b"[1, 2, 3, 4]"] * 51), None, "instances"),
        (b'[[1, 2, 3, 4]], "more": 1', None, "more"),
    ],
)
def test_bad_rows_are_named(
    gateway: GatewayProgram, rows: bytes, row: int | None, field: str | None
) -> None:
    """Whatever is wrong with rows is a 422 that names row and field."""
    answer = post(gateway, b'{"instances": %s}' % rows)
    assert_problem(answer, 422, "invalid-rows")
    first = answer.json()["errors"][0]
    assert (first.get("row"), first.get("field")) == (row, field)


@pytest.mark.parametrize("body", [b'{"instances": [[5.1, 3.5', b"\xff\xfe", b""])
def test_what_is_no_json_is_refused(gateway: GatewayProgram, body: bytes) -> None:
    """A body that is not JSON is a 400."""
    assert_problem(post(gateway, body), 400, "invalid-json")


@pytest.mark.parametrize("size", [20_001, 1_000_000])
def test_too_large_a_body_is_refused(gateway: GatewayProgram, size: int) -> None:
    """A body above the bound is a 413 that the client gets to see."""
    assert_problem(post(gateway, b" " * size), 413, "body-too-large")


def test_a_bad_request_never_reaches_the_model(
    gateway: GatewayProgram, upstream: UpstreamProgram
) -> None:
    """One client's mistake is not sent on, so it can't be another client's error."""
    upstream.behave(delay_s=0.05)
    before = len(upstream.asked()["calls"])
    with ThreadPoolExecutor(20) as pool:
        bodies = [GOOD if i % 2 else b'{"instances": [[1, 2, 3, null]]}' for i in range(100)]
        statuses = [answer.status_code for answer in pool.map(lambda b: post(gateway, b), bodies)]
    assert statuses == [422, 200] * 50
    assert sum(upstream.asked()["calls"][before:]) == 50
    upstream.behave()


@pytest.mark.parametrize("path", ["/v1/predicts", "/v1/predict/", "/v2/models", "/docs/../x", "/"])
def test_a_wrong_path_is_not_found(gateway: GatewayProgram, path: str) -> None:
    """What is not a path of the API is a 404, for each method."""
    for method in ("GET", "POST", "OPTIONS"):
        assert_problem(httpx.request(method, gateway.url + path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/predict", "POST, OPTIONS"),
        ("DELETE", "/v1/model", "GET, HEAD, OPTIONS"),
        ("PATCH", "/health/live", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    gateway: GatewayProgram, method: str, path: str, allow: str
) -> None:
    """A method that a path does not have is a 405 with `Allow`; OPTIONS says the same."""
    answer = httpx.request(method, gateway.url + path)
    assert_problem(answer, 405, "method-not-allowed")
    options = httpx.options(gateway.url + path)
    assert options.status_code == 204
    assert answer.headers["allow"] == options.headers["allow"] == allow


def test_head_is_get_without_the_body(gateway: GatewayProgram) -> None:
    """HEAD has the headers of GET."""
    head, get = httpx.head(f"{gateway.url}/v1/model"), gateway.get("/v1/model")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    "content_type", ["text/plain", "", "application/json; charset=utf-16", "json"]
)
def test_a_wrong_content_type_is_refused(gateway: GatewayProgram, content_type: str) -> None:
    """A body that is not declared as JSON in UTF-8 is not read as such."""
    assert_problem(post(gateway, GOOD, **{"content-type": content_type}), 415, "wrong-content-type")


def test_a_compressed_body_is_refused(gateway: GatewayProgram) -> None:
    """It is told to come as it is, and one that says that it does is read."""
    answer = post(gateway, gzip.compress(GOOD), **{"content-encoding": "gzip"})
    assert_problem(answer, 415, "wrong-content-type")
    assert post(gateway, GOOD, **{"content-encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_json_may_be_declared_in_other_words(gateway: GatewayProgram, content_type: str) -> None:
    """Case and a redundant charset do not matter."""
    assert post(gateway, GOOD, **{"content-type": content_type}).status_code == 200


def test_a_body_may_come_in_chunks(gateway: GatewayProgram) -> None:
    """A body without a declared length is read, and bounded all the same."""
    chunked = gateway.post("/v1/predict", content=iter([GOOD[:9], GOOD[9:]]), headers=JSON)
    assert chunked.status_code == 200
    endless = gateway.post("/v1/predict", content=(b" " * 1000 for _ in range(100)), headers=JSON)
    assert_problem(endless, 413, "body-too-large")


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
def test_a_sane_request_id_is_kept(gateway: GatewayProgram, given: str) -> None:
    """The client's own id comes back."""
    assert post(gateway, GOOD, **{"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "<script>", "\xe9"])
def test_any_other_is_replaced(gateway: GatewayProgram, given: str) -> None:
    """An id that could not be logged safely is replaced by a new one, different each time."""
    headers = {b"content-type": b"application/json", b"x-request-id": given.encode("latin-1")}
    made = {
        gateway.post("/v1/predict", content=GOOD, headers=headers).headers["x-request-id"]
        for _ in range(2)
    }
    assert len(made) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{6}", request_id) for request_id in made)


def test_a_trace_is_passed_on(gateway: GatewayProgram, upstream: UpstreamProgram) -> None:
    """A W3C `traceparent` reaches the inference service; what is none does not."""
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    post(gateway, GOOD, traceparent=trace)
    post(gateway, GOOD, traceparent="x")
    assert upstream.asked()["traces"][-2:] == [trace, ""]


def test_what_is_serving(gateway: GatewayProgram, upstream: UpstreamProgram) -> None:
    """`/v1/model` says what the instance says."""
    answer = gateway.get("/v1/model")
    assert answer.json() == upstream.get("/v1/model").json()
    assert answer.headers["x-model-version"] == "1"


def test_health(gateway: GatewayProgram) -> None:
    """The three questions of a probe."""
    for path in ("live", "ready", "started"):
        assert gateway.get(f"/health/{path}").status_code == 200
    assert gateway.get("/health/ready").json() == {
        "status": "ready",
        "generation": 0,
        "instances": 1,
    }


def test_the_documentation_is_served_from_here(gateway: GatewayProgram) -> None:
    """`/docs` asks no other host for anything."""
    page = gateway.get("/docs").text
    links = re.findall(r'(?:src|href|url)[=:] ?"([^"]+)"', page)
    assert links
    for link in links:
        answer = gateway.get(link)
        assert link.startswith("/")
        assert answer.status_code == 200
    assert gateway.get("/openapi.json").json()["openapi"].startswith("3.")


def test_a_slow_client_holds_nobody_up(gateway: GatewayProgram) -> None:
    """While clients trickle heads and bodies, others are answered; the slow ones end in time."""
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with ThreadPoolExecutor(40) as pool:
        slow_heads = [pool.submit(raw, gateway, head) for _ in range(20)]
        slow_bodies = [
            pool.submit(raw, gateway, head + b'content-length: 100\r\n\r\n{"inst')
            for _ in range(20)
        ]
        time.sleep(0.2)
        for number in range(20):
            assert is_answer_to(gateway.predict(row(number)).json(), number)
        for connection in (*slow_bodies, *slow_heads):
            assert b"408 Request Timeout" in connection.result()
