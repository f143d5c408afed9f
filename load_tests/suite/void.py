"""Why a run says nothing of the service; rules without I/O."""

from collections.abc import Sequence
from itertools import pairwise

from load_tests.suite.host import Look

# More than that between two clocks of one machine means that it slept, or was set.
CLOCKS_S = 0.5


def of_service(looks: Sequence[Look]) -> list[str]:
    """Return what happened to the service that no load test may overlook.

    A gateway's counters rise until it is started anew. An instance loads a release once; where
    there is one instance, and the release that it had was loaded at another time, it is another.
    """
    found = []
    for number in range(max((len(look.counted) for look in looks), default=0)):
        counted = [look.counted[number] for look in looks]
        told = [count for count in counted if count is not None]
        if any(later < earlier for earlier, later in pairwise(told)):
            found.append(f"gateway {number + 1} was started anew under it")
    served = [(look.release, look.since) for look in looks if look.release and look.instances == 1]
    again = {a[0] for a, b in pairwise(served) if a[0] == b[0] and a[1] != b[1]}
    found += [f"inference was started anew under it, with version {name}" for name in sorted(again)]
    return found


def of_clocks(monotonic_s: float, wall_s: float) -> list[str]:
    """Return whether this machine slept or its clock was set, from two lengths of the same run."""
    if abs(wall_s - monotonic_s) <= CLOCKS_S:
        return []
    return [f"the clocks disagree: {monotonic_s:.1f} s and {wall_s:.1f} s passed"]
