"""HTTP/1.1 to the letter, and what comes that is none, over plain connections."""

import json
import re
import resource
import socket
import time
from contextlib import ExitStack, suppress
from itertools import pairwise

import pytest

from tests.integration.gateway.processes import (
    GatewayProgram,
    UpstreamProgram,
    raw,
    row,
    wait_until,
)

CLOSE = b"connection: close\r\n"


def request(number: float = 1, headers: bytes = b"", body: bytes | None = None) -> bytes:
    """Return a prediction's request; the upstream answers it with `number / 1000`."""
    body = json.dumps({"instances": [row(number)]}).encode() if body is None else body
    return (
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"%scontent-length: %d\r\n\r\n%s" % (headers, len(body), body)
    )


def statuses(answers: bytes) -> list[int]:
    """Return the status of each response."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def problems(answers: bytes) -> list[str]:
    """Return the name of each problem."""
    return [name.decode() for name in re.findall(rb'"type":"docs/api.md#([a-z-]+)"', answers)]


def numbers(answers: bytes) -> list[float]:
    """Return which of the requests the responses answer."""
    return [float(n) * 1000 for n in re.findall(rb'"setosa":([\d.]+)', answers)]


def test_requests_in_a_pipeline_are_answered_in_order(gateway: GatewayProgram) -> None:
    """Also where one is refused at once while the one before it still waits for its call."""
    sent = [request(1), request(2, body=b"{"), b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n"]
    answers = raw(gateway, b"".join([*sent * 20, request(3, CLOSE)]))
    assert statuses(answers) == [200, 400, 404] * 20 + [200]
    assert numbers(answers) == [1] * 20 + [3]


def test_a_connection_goes_on_after_a_pipeline(gateway: GatewayProgram) -> None:
    """Who sends several requests at once may send more when they have been answered."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=15) as connection:
        for start in (1, 10, 20):
            connection.sendall(request(start) + request(start + 1) + request(start + 2))
            answers = b""
            while len(numbers(answers)) < 3 or not answers.endswith(b"}"):
                answers += connection.recv(65536)
            assert numbers(answers) == [start, start + 1, start + 2]


def test_a_request_may_come_byte_by_byte(gateway: GatewayProgram) -> None:
    """However the network cuts a request up, it is the same request."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=15) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(7, CLOSE):
            connection.send(bytes([byte]))
        assert numbers(connection.recv(65536)) == [7]


def chunked(*chunks: bytes, headers: bytes = b"", trailer: bytes = b"") -> bytes:
    """Return a prediction's request whose body comes in chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return (
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"%stransfer-encoding: chunked\r\n\r\n%s0\r\n%s\r\n" % (headers, body, trailer)
    )


def test_a_body_may_come_in_chunks_of_one_byte(gateway: GatewayProgram) -> None:
    """Many small parts cost no more than they must, and what follows them is no header."""
    body = b'{"instances": [[5, 3.5, 1.4, 0.2]]}' + b" " * 15_000
    parts = [body[i : i + 1] for i in range(len(body))]
    trailer = b"x-request-id: trailer\r\n"
    answers = raw(gateway, chunked(*parts, headers=CLOSE, trailer=trailer))
    assert (statuses(answers), numbers(answers)) == ([200], [5])
    assert b"x-request-id: trailer" not in answers


@pytest.mark.parametrize(
    "sent",
    [
        b"what is this\r\n\r\n",
        b"BREW /coffee HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: x\r\nno header\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        request(1, b"content-length: 3\r\n"),
        request(1, b"transfer-encoding: chunked\r\n"),
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    ],
)
def test_what_is_no_http_is_refused(gateway: GatewayProgram, sent: bytes) -> None:
    """It gets a problem, and the connection ends: nothing is made of what follows."""
    answers = raw(gateway, sent, request(1))
    assert (statuses(answers), problems(answers)) == ([400], ["invalid-http"])
    assert b"connection: close" in answers


def test_what_is_no_http_spoils_nothing_before_it(gateway: GatewayProgram) -> None:
    """Whole requests that came first are answered first."""
    answers = raw(gateway, request(1) + request(2) + b"nonsense\r\n\r\n")
    assert statuses(answers) == [200, 200, 400]


@pytest.mark.parametrize(
    "head",
    [
        b"x: " + b"a" * 40_000,
        b"x: a\r\n" * 7_000,
        b"a" * 40_000 + b": x",
        b"x: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
def test_too_large_a_head_is_refused(gateway: GatewayProgram, head: bytes) -> None:
    """Before it has come to its end, and after."""
    answers = raw(gateway, b"GET /health/live HTTP/1.1\r\nhost: x\r\n", head)
    assert (statuses(answers), problems(answers)) == ([431], ["head-too-large"])


def test_a_trailer_without_end_is_refused(gateway: GatewayProgram) -> None:
    """What may follow a body in chunks is bounded too."""
    answers = raw(gateway, chunked(trailer=b"x: " + b"a" * 1_000_000))
    assert statuses(answers) == [413]


def test_who_asks_whether_to_send_the_body_is_told(gateway: GatewayProgram) -> None:
    """`Expect: 100-continue` gets its 100, or the refusal at once."""
    expect = b"expect: 100-continue\r\n"
    assert statuses(raw(gateway, request(1, expect + CLOSE))) == [100, 200]
    large = request(1, expect, body=b" " * 20_001)
    assert statuses(raw(gateway, large[:-20_001])) == [413]
    # Behind a request that is not answered yet it would be taken for that one's.
    pipeline = request(1) + request(2, expect) + request(3, CLOSE)
    assert statuses(raw(gateway, pipeline)) == [200, 200, 200]


def test_too_large_a_body_is_refused_once(gateway: GatewayProgram) -> None:
    """Also where it comes together with its head, in one piece or in chunks."""
    body = b" " * 30_000
    for sent in (request(body=body), chunked(body), chunked(*[body[:1000]] * 30)):
        answers = raw(gateway, sent + request(1))
        assert (statuses(answers), problems(answers)) == ([413], ["body-too-large"])


def test_an_upgrade_is_not_taken_up(gateway: GatewayProgram) -> None:
    """A client that offers another protocol is answered in this one, once (RFC 9110, 7.8)."""
    upgrade = b"connection: upgrade\r\nupgrade: h2c\r\n"
    get = b"GET /health/live HTTP/1.%d\r\nhost: x\r\n%s\r\n"
    expect = b"expect: 100-continue\r\n"
    half = b"upgrade: h2c\r\n"  # of an offer
    for sent, expected in [
        (request(4, upgrade), [200]),
        (request(4, upgrade + expect), [100, 200]),
        (request(3) + request(4, upgrade) + request(5), [200, 200]),
        (request(5, half) + request(6, CLOSE), [200, 200]),
        ((get % (1, upgrade)) * 2000, [200]),
        (get % (0, upgrade), [200]),
        (b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", [404]),
    ]:
        assert statuses(raw(gateway, sent)) == expected


def test_an_old_client_is_answered(gateway: GatewayProgram) -> None:
    """HTTP/1.0 needs no `Host`, and its connection ends with the response."""
    for headers in (b"", b"connection: keep-alive\r\n", b"expect: 100-continue\r\n"):
        answers = raw(gateway, b"GET /health/live HTTP/1.0\r\n%s\r\n" % headers, request(1))
        assert statuses(answers) == [200]


def test_blanks_around_a_header_are_no_part_of_it(gateway: GatewayProgram) -> None:
    """RFC 9110, 5.5."""
    padded = b"x-request-id: \t mine \t\r\nrequest-timeout-ms:700 \r\n"
    answers = raw(gateway, request(1, padded + CLOSE))
    assert statuses(answers) == [200]
    assert b"x-request-id: mine\r\n" in answers


def test_a_target_may_be_a_whole_url(gateway: GatewayProgram) -> None:
    """As proxies write it (RFC 9112, 3.2.2)."""
    answers = raw(gateway, b"GET http://x/health/live?a=b HTTP/1.1\r\nhost: x\r\n%s\r\n" % CLOSE)
    assert statuses(answers) == [200]


def test_every_response_has_a_date(gateway: GatewayProgram) -> None:
    """As RFC 9110, 6.6.1, asks of who has a clock."""
    assert re.search(rb"\r\ndate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n", raw(gateway, b"x\n"))


def test_a_client_that_does_not_read_is_let_go(
    upstream: UpstreamProgram, gateway: GatewayProgram
) -> None:
    """It holds up its own pipeline only, and not for ever: no further request of it is begun."""
    before = len(upstream.asked()["calls"])
    body = json.dumps({"instances": [row(1)] * 50}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", gateway.port))
        with pytest.raises(ConnectionError):  # the buffers fill up, and then it is over
            connection.sendall(request(body=body) * 100_000)
    assert len(upstream.asked()["calls"]) - before < 10_000
    assert gateway.predict(row(1)).status_code == 200


def test_a_client_that_leaves_midway_costs_nothing(gateway: GatewayProgram) -> None:
    """Half a request, or a whole one whose answer nobody waits for, disturbs nobody."""
    for sent in (request()[:50], request()[:-5], request()):
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(sent)
    wait_until(lambda: gateway.predict(row(1)).status_code == 200, "the gateway still answers")


def test_a_connection_is_kept(gateway: GatewayProgram) -> None:
    """Many requests go over one connection, each answered before the next is sent."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=15) as connection:
        for number in range(50):
            connection.sendall(request(number))
            assert numbers(connection.recv(65536)) == [number]


def test_request_ids_are_all_different(gateway: GatewayProgram) -> None:
    """Also over one connection."""
    answers = raw(gateway, request() * 10 + request(1, CLOSE))
    ids = re.findall(rb"x-request-id: (\S+)", answers)
    assert len(ids) == 11
    assert all(one < other for one, other in pairwise(ids))


def test_a_request_that_is_half_there_counts_at_the_stop(upstream: UpstreamProgram) -> None:
    """SIGTERM: it may still be completed, is answered as the last one, and then it is over."""
    sent = request(9)
    with (
        GatewayProgram(INFERENCE_URL=upstream.url) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port_when_ready()), timeout=15) as half,
    ):
        half.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n" + sent[:40])
        assert statuses(half.recv(65536)) == [200]  # so the half has arrived too
        gateway.process.terminate()
        wait_until(lambda: not gateway.listens(), "no new connection is accepted")
        half.sendall(sent[40:])
        answers = half.recv(65536)
        assert numbers(answers) == [9]
        assert b"connection: close" in answers
        began = time.monotonic()
        code, _ = gateway.wait()
        assert code == 0
        assert time.monotonic() - began < 10


def test_connections_are_bounded_by_the_open_files(upstream: UpstreamProgram) -> None:
    """Who comes on top is let go at once, and those that are there are served."""

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    with GatewayProgram(INFERENCE_URL=upstream.url, before=few_files) as gateway:
        gateway.wait_ready()
        with ExitStack() as held:
            first = held.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            for _ in range(60):
                held.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            with suppress(ConnectionError):
                assert raw(gateway, request(1)) == b""
            first.sendall(request(3))
            assert numbers(first.recv(65536)) == [3]
        wait_until(lambda: gateway.predict(row(1)).status_code == 200, "there is room again")
