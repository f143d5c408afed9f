"""The crash points, by the kind of command that meets them."""

from registry.crash import CRASH_POINTS

UNDOING = [point for point in CRASH_POINTS if point.endswith("compensate")]
_ELSEWHERE = ("after genesis", "after takeover", "after continuation")
PROMOTING = [p for p in CRASH_POINTS if p not in (*UNDOING, *_ELSEWHERE)]
ENDING = ["before outcome", "after outcome"]
FINISHING = PROMOTING[PROMOTING.index("before roll out") :]
UNDER_WAY = [point for point in PROMOTING if point not in ("before intent", "after outcome")]
