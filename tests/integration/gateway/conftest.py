"""One gateway before one upstream, for the tests that leave both as they were."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.gateway.processes import GatewayProgram, UpstreamProgram


@pytest.fixture(scope="package")
def upstream() -> Iterator[UpstreamProgram]:
    """Run an upstream of version 1."""
    with UpstreamProgram() as program:
        yield program


@pytest.fixture(scope="package")
def gateway(upstream: UpstreamProgram) -> Iterator[GatewayProgram]:
    """Run a gateway before it, with small limits."""
    limits: dict[str, Any] = {"GATEWAY_MAX_ROWS": 50, "GATEWAY_MAX_BODY_BYTES": 20_000}
    with GatewayProgram(
        INFERENCE_URL=upstream.url, GATEWAY_BODY_TIMEOUT_MS=1000, **limits
    ) as program:
        program.wait_ready()
        yield program
