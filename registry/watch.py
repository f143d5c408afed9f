"""The watch window: a release that every instance has proven is watched before the alias names it.

What is seen: real requests, in the counters that the gateways keep by release, and synthetic ones
with known answers (the golden rows of its file), which are sent here. `registry.watch_rules` says
what is out of bounds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from artifacts.model import ModelCard
from registry.errors import WatchFailed
from registry.gateways import BOUNDS_S, Gateways, RealRequests, Synthetic, added, read_counters
from registry.watch_rules import (
    Durations,
    Former,
    Limits,
    Traffic,
    fewest_failures,
    fewest_requests,
    out_of_bounds,
)

_CHECK_S = 1.0
_MOST_TRIES = 3
_FORMER_REQUESTS = 20
_FORMER_PAUSE_S = 0.05
_NOTHING = Traffic(0, 0, Durations(BOUNDS_S, (0,) * (len(BOUNDS_S) + 1)))


def look_before(gateways: Gateways, leaving: tuple[ModelCard, str] | None) -> Former:
    """Take what the new release is compared with.

    Args:
        gateways: where clients come in.
        leaving: card and digest of what serves now; None for nothing.
    """
    if leaving is None:
        return Former(None, None)
    seen = Synthetic()
    for _ in range(_FORMER_REQUESTS):
        gateways.ask(*leaving, seen)
        time.sleep(_FORMER_PAUSE_S)
    right, durations = seen.requests - seen.errors, seen.traffic().durations
    pages = gateways.counters()
    return Former(
        real=added(read_counters(page, leaving[1]) for page in pages.values()) if pages else None,
        synthetic=Traffic(right, 0, durations) if right else None,
    )


@dataclass(frozen=True)
class Window:
    """A release that is watched for a while."""

    gateways: Gateways
    card: ModelCard
    """What the release says of itself."""
    sha256: str
    former: Former
    """What it is compared with."""
    limits: Limits
    seconds: float

    def watch(self, check: Callable[[], None], told: Callable[[str], None]) -> str:
        """Watch the release, and return in a sentence what was seen.

        It takes longer than was asked for where so few requests were answered that no fault of the
        release would have shown.

        Args:
            check: is called every second; raises where there is nothing more to watch.
            told: is called with what was seen so far.

        Raises:
            WatchFailed: it is out of bounds, or too little arrived that could tell.
        """
        fewest = fewest_requests(self.limits.bounds)
        pause = min(1 / self.limits.synthetic_per_second, self.seconds / fewest)
        counters = RealRequests(self.gateways, self.sha256)
        seen, real = Synthetic(), counters.read()
        begun = due = check_at = time.monotonic()
        while True:
            self.gateways.ask(self.card, self.sha256, seen)
            now = time.monotonic()
            enough = seen.requests >= fewest or seen.asked >= _MOST_TRIES * fewest
            over = enough and now - begun >= self.seconds
            if over or now >= check_at:
                check_at = now + _CHECK_S
                check()
                real = counters.read() or real
                self._judge(real or _NOTHING, seen)
                counted = real.requests if real else "unknown"
                told(
                    f"{now - begun:.0f} of {self.seconds:g} s: {counted} real and "
                    f"{seen.requests} synthetic requests, within bounds"
                )
            if over:
                return self._summary(now - begun, real, seen)
            due = max(due + pause, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def _judge(self, real: Traffic, seen: Synthetic) -> None:
        former, bounds = self.former, self.limits.bounds
        of_real = out_of_bounds(real, former.real, bounds)
        of_synthetic = out_of_bounds(seen.traffic(), former.synthetic, bounds)
        if of_real or of_synthetic:
            kind = "real" if of_real else "synthetic"
            last = f"; the last synthetic one to fail: {seen.failure}" if seen.failure else ""
            raise WatchFailed(
                f"out of bounds: of the {kind} requests, {of_real or of_synthetic}{last}"
            )

    def _summary(self, seconds: float, real: Traffic | None, seen: Synthetic) -> str:
        synthetic = seen.traffic()
        of_real = "real requests could not be counted"
        if real is not None:
            of_real = self._counted(real, "real", self.former.real)
        of_synthetic = self._counted(synthetic, "synthetic", self.former.synthetic)
        summary = f"watched {seconds:.0f} s: {of_real}, {of_synthetic}"
        if real is not None and real.requests >= self.limits.real_requests:
            return summary + _compared(self.former.real)
        if synthetic.requests >= fewest_requests(self.limits.bounds):
            decided = "the real ones were too few, the synthetic ones decided"
            return f"{summary}; {decided}{_compared(self.former.synthetic)}"
        why = f" (the gateway answers with {seen.refused})" if seen.refused else ""
        raise WatchFailed(
            f"neither enough real nor enough synthetic requests were answered{why}: {summary}",
            hint="where the gateway asks for keys, set IRIS_GATEWAY_KEY",
        )

    def _counted(self, traffic: Traffic, kind: str, former: Traffic | None) -> str:
        total = traffic.requests
        if not total:
            return f"no {kind} requests"
        fewest = fewest_failures(total, former, self.limits.bounds)
        too_many = f"{fewest} are too many" if fewest <= total else "too few to tell"
        counted = f"{total} {kind} requests, {traffic.errors} failed ({too_many})"
        if not traffic.durations.total:
            return counted
        return f"{counted}, median {traffic.durations.quantile(0.5) * 1e3:.1f} ms"


def _compared(former: Traffic | None) -> str:
    if former is not None and former.durations.total:
        return ""
    return "; nothing was there to compare their speed with"
