"""CPU, memory, start and open files of this process, under the names that Prometheus gives them.

`prometheus_client` knows how to read them; where there is no `/proc` it says nothing.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

_registry = CollectorRegistry()
_ = ProcessCollector(registry=_registry)


def process_figures() -> Iterator[str]:
    """Yield the lines of the families `process_…`."""
    yield from generate_latest(_registry).decode().splitlines()
