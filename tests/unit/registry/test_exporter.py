"""What Prometheus is told of the ledger."""

import contextlib
import datetime as dt

from artifacts.errors import StoreUnavailable
from registry.chain import Chain
from registry.exporter import LedgerFigures
from registry.promotion import Request, promote
from tests.support.observability import page_names
from tests.unit.registry.fakes import Crash, World


def figures(world: World, *, later_s: float = 0.0) -> dict[str, float]:
    """Return what a scrape finds, some time after now."""
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=later_s)
    collector = LedgerFigures(world.work().ledger.read, print, lambda: now)
    return {family.name: family.samples[0].value for family in collector.collect()}


def test_no_operation_is_open_after_one_that_ended(world: World) -> None:
    """The age is 0, and every record is there."""
    promote(world.work(), Request(world.register()))
    found = figures(world, later_s=900)
    assert found.pop("iris_ledger_records") == len(world.work().ledger.read().records)
    assert found == {"iris_ledger_readable": 1, "iris_ledger_open_operation_seconds": 0}


def test_the_page_explains_each_figure(world: World) -> None:
    """An operator finds each metric on the page, and none that is not there."""
    every_process = {name for name in page_names("ledger") if name.startswith("process_")}
    assert figures(world).keys() == page_names("ledger") - every_process


def test_an_operation_that_nobody_ends_grows_old(world: World) -> None:
    """It counts from its intent on, whoever was at work."""
    with contextlib.suppress(Crash):
        promote(world.work(crash_at="after roll out"), Request(world.register()))
    assert 900 <= figures(world, later_s=900)["iris_ledger_open_operation_seconds"] < 960


def test_a_ledger_that_cannot_be_read_is_told_as_that() -> None:
    """Neither an age nor a number is made up, and the reason is told."""

    def read() -> Chain:
        raise StoreUnavailable("the store is away")

    told: list[str] = []
    (family,) = LedgerFigures(read, told.append).collect()
    assert (family.name, family.samples[0].value) == ("iris_ledger_readable", 0)
    assert told == ["the store is away"]
