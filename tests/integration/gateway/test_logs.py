"""The log of a real gateway."""

from concurrent.futures import ThreadPoolExecutor

from tests.integration.gateway.processes import GatewayProgram, UpstreamProgram, row

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"x-request-id": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


def test_a_request_is_a_line_without_what_was_sent(upstream: UpstreamProgram) -> None:
    """Id, trace, route, status, release and duration; neither features nor what a client wrote."""
    with GatewayProgram(INFERENCE_URL=upstream.url, GATEWAY_LOG_SHARE=1) as gateway:
        gateway.wait_ready()
        gateway.predict([123.456, 3.5, 1.4, 0.2], headers=HEADERS)
        gateway.predict(["moonflower", 1, 1, 1], headers={"x-request-id": "wrong"})
        good = gateway.logged("request", request_id="mine")
        bad = gateway.logged("request", request_id="wrong")
        written = gateway.written()
    assert good["duration_ms"] >= 0
    assert good["call"] == "mine"
    assert len(good["sha256"]) == 64
    expected = {"trace_id": TRACE, "route": "/v1/predict", "status": 200, "version": "1"}
    assert expected.items() <= good.items()
    expected = {"level": "warning", "status": 422, "reason": "invalid-rows", "weight": 1}
    assert expected.items() <= bad.items()
    assert "123.456" not in written
    assert "moonflower" not in written


def test_answers_are_sampled_and_refusals_are_not(upstream: UpstreamProgram) -> None:
    """A line of an answer says for how many it stands; every request that failed has its own."""
    with GatewayProgram(INFERENCE_URL=upstream.url, GATEWAY_LOG_SHARE=0.2) as gateway:
        gateway.wait_ready()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: gateway.predict(row(n % 1000)), range(300)))
        for number in range(20):
            gateway.predict([], headers={"x-request-id": f"wrong-{number}"})
        gateway.logged("request", request_id="wrong-19")
        answers = gateway.log("request", route="/v1/predict", status=200)
        refusals = gateway.log("request", route="/v1/predict", status=422)
    assert {line["weight"] for line in answers} == {5}
    assert 0 < len(answers) < 300
    assert [line["request_id"] for line in refusals] == [f"wrong-{n}" for n in range(20)]


def test_a_failed_call_is_found_by_the_request(upstream: UpstreamProgram) -> None:
    """The line of the request names the call, and the line of the call what was wrong."""
    with UpstreamProgram() as broken, GatewayProgram(INFERENCE_URL=broken.url) as gateway:
        gateway.wait_ready()
        broken.behave(status=500, body="oh")
        assert gateway.predict(row(1), headers=HEADERS).status_code == 502
        line = gateway.logged("request", request_id="mine")
        (call,) = gateway.log("a call of inference failed", call=line["call"])
        assert line["level"] == "error"
        assert "status 500" in call["error"]


def test_a_share_of_nothing_still_logs_what_fails(upstream: UpstreamProgram) -> None:
    """`GATEWAY_LOG_SHARE=0` is for answers alone."""
    with GatewayProgram(INFERENCE_URL=upstream.url, GATEWAY_LOG_SHARE=0) as gateway:
        gateway.wait_ready()
        assert gateway.predict(row(1)).status_code == 200
        assert gateway.get("/nowhere").status_code == 404
        gateway.logged("request", status=404)
        assert not gateway.log("request", status=200)
