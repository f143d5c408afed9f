"""What the ledger says, for Prometheus: an operation that nobody ends is found by nobody else."""

import datetime as dt
from collections.abc import Callable, Iterator
from threading import Event, Lock

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from artifacts.errors import IrisError, UsageError
from registry.chain import Chain


class LedgerFigures(Collector):
    """Reads the ledger anew for each scrape; it writes nothing, and needs no right to."""

    def __init__(
        self,
        read: Callable[[], Chain],
        told: Callable[[str], None],
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """Take what reads the ledger, who is told where it can't, and a clock."""
        self._read = read
        self._reading = Lock()
        self._told = told
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the figures; where the ledger can't be read, that alone."""
        readable = GaugeMetricFamily(
            "iris_ledger_readable", "Whether every record is there, and follows the one before."
        )
        try:
            with self._reading:
                chain = self._read()
        except IrisError as error:
            self._told(error.in_one_line())
            readable.add_metric([], 0)
            yield readable
            return
        readable.add_metric([], 1)
        yield readable
        yield GaugeMetricFamily(
            "iris_ledger_records", "How many records it has.", value=len(chain.records)
        )
        yield GaugeMetricFamily(
            "iris_ledger_open_operation_seconds",
            "How long the operation that is open has been; 0 where none is.",
            value=self._age_s(chain),
        )

    def _age_s(self, chain: Chain) -> float:
        if chain.open is None:
            return 0.0
        return max(0.0, (self._now() - chain.open.record.at).total_seconds())


def run(figures: LedgerFigures, host: str, port: int, ended: Event) -> None:
    """Answer on `/metrics` until told to end.

    Raises:
        UsageError: nobody can listen there.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on: {error.strerror}",
            hint="set EXPORTER_HOST and EXPORTER_PORT to an address that is free",
        ) from error
    ended.wait()
    server.shutdown()
    server.server_close()
    thread.join()
