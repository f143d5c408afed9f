"""The page of metrics of a real gateway."""

import re
import time
from collections import Counter

import httpx

from tests.integration.gateway.processes import (
    GatewayProgram,
    UpstreamProgram,
    row,
    wait_until,
)
from tests.integration.gateway.test_operation import Stream
from tests.support.observability import page_names, text_names
from tests.support.scanning import scan

SCRAPE_S = 5.0


def figures(gateway: GatewayProgram, name: str) -> dict[str, float]:
    """Return the samples of a name by their labels."""
    text = httpx.get(f"{gateway.url}/metrics", timeout=SCRAPE_S).raise_for_status().text
    pattern = re.compile(rf"^{name}(?:\{{(.*)\}})? (\S+)$", re.MULTILINE)
    return {labels: float(value) for labels, value in pattern.findall(text)}


def test_the_page_of_metrics_is_that_of_the_documentation(gateway: GatewayProgram) -> None:
    """An operator finds each metric explained, and none that is not there; at both addresses."""
    for path in ("/metrics", "/actuator/prometheus"):
        answer = gateway.get(path)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert text_names(answer.text) == page_names("gateway")


def test_the_metrics_of_a_scanned_gateway_stay_as_many(gateway: GatewayProgram) -> None:
    """No label is made of what a client sends: 10,000 paths are one, and odd methods add none."""

    def scanned(number: int, requests: int = 10_000) -> set[int]:
        return scan(
            gateway.url,
            [
                (f"M{step}" if step % 100 == 0 else "GET", f"/{number}/{step}?{step}")
                for step in range(requests)
            ],
        )

    def labels() -> Counter[str]:
        lines = gateway.get("/metrics").text.splitlines()
        return Counter(re.sub(r" \S+$", "", line) for line in lines)

    scanned(9, requests=100)
    gateway.get("/metrics")
    before = labels()
    assert scanned(1) == {400, 404}
    assert labels() == before


def test_metrics_answer_while_requests_are_refused() -> None:
    """In overload, when they are wanted most, they tell what waits and why what is refused."""
    with (
        UpstreamProgram() as upstream,
        GatewayProgram(
            INFERENCE_URL=upstream.url, GATEWAY_QUEUE_ROWS=20, GATEWAY_CALL_ROWS=5
        ) as gateway,
    ):
        gateway.wait_ready()
        upstream.behave(delay_s=0.2)

        def overloaded() -> bool:
            refused = figures(gateway, "iris_gateway_unanswered_total")
            queued = figures(gateway, "iris_gateway_queue_rows")
            calls = figures(gateway, "iris_gateway_calls")
            return refused['reason="queue-full"'] > 0 and queued[""] > 0 and calls[""] == 2

        with Stream(gateway, clients=40) as stream:
            wait_until(overloaded, "the page tells of queue, calls and refusals")
        statuses = Counter(answer.status for answer in stream.answers)
        refused = figures(gateway, "iris_gateway_unanswered_total")
        assert sum(refused.values()) == statuses[503]
        calls = figures(gateway, "iris_gateway_call_rows_count")
        assert figures(gateway, "iris_gateway_queue_wait_seconds_count") == calls


def test_metrics_tell_of_instances_and_what_they_serve() -> None:
    """Two releases at once are two lines, and an instance that is gone is no longer ready."""
    with (
        UpstreamProgram("1") as one,
        UpstreamProgram("2") as two,
        GatewayProgram(INFERENCE_URL=f"{one.url},{two.url}") as gateway,
    ):
        wait_until(lambda: figures(gateway, "iris_gateway_instances_ready") == {"": 2}, "both")
        assert len(figures(gateway, "iris_gateway_model_info")) == 2
        two.stop()
        wait_until(lambda: figures(gateway, "iris_gateway_instances_ready") == {"": 1}, "one")
        assert figures(gateway, "iris_gateway_instances") == {"": 2}
        (served,) = figures(gateway, "iris_gateway_model_info")
        assert 'version="1"' in served


def test_what_is_predicted_is_on_the_page() -> None:
    """Labels of real requests are counted by row, those of synthetic ones are not."""
    with UpstreamProgram() as upstream, GatewayProgram(INFERENCE_URL=upstream.url) as gateway:
        gateway.wait_ready()
        started = figures(gateway, "process_start_time_seconds")
        assert started.get("", time.time()) <= time.time()
        assert gateway.predict(row(900), row(800), row(100)).status_code == 200
        assert gateway.predict(row(900), headers={"x-iris-synthetic": "1"}).status_code == 200
        assert gateway.predict([0, 3.5, 1.4, 0.2]).status_code == 200
        predicted = figures(gateway, "iris_gateway_predictions_total")
        by_label = {re.findall(r'label="(\w+)"', k)[0]: n for k, n in predicted.items()}
        assert by_label == {"setosa": 2, "versicolor": 0, "virginica": 2}
        outside = figures(gateway, "iris_gateway_out_of_range_total")
        assert sum(outside.values()) == 1
