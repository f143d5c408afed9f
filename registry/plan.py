"""The plan of a promotion: its effects in their order, as data.

`--dry-run` prints it, and the real run takes it step by step: there is one list for both. It
follows from the intent alone, so a recovery goes on with the very plan that was begun.
"""

from typing import NamedTuple

from artifacts.release import Release
from registry.records import Effect, Intent, Kind


class Planned(NamedTuple):
    """One effect to come, and what it is, in words."""

    effect: Effect
    words: str


def promotion_plan(intent: Intent, alias: str) -> list[Planned]:
    """Return the effects of a promotion, or of an adoption, which publishes nothing.

    Args:
        intent: what shall be promoted, and for how long it is watched.
        alias: the alias that moves last.
    """
    release = intent.to
    if intent.operation is Kind.ADOPTION:
        return [roll_out_step(release), alias_step(release, alias)]
    watch = Planned(Effect.WATCH, f"watching {release} for {intent.watch_s:g} s")
    return [
        Planned(Effect.PUBLISH, f"publishing {release.blob}"),
        roll_out_step(release),
        *([watch] if intent.watch_s else []),
        alias_step(release, alias),
    ]


def roll_out_step(release: Release) -> Planned:
    """Return the step that lets every instance serve a release."""
    return Planned(Effect.ROLL_OUT, f"rolling out {release}")


def alias_step(release: Release | None, alias: str) -> Planned:
    """Return the step that lets the alias name what serves; None takes it away."""
    words = f"moving the alias {alias} to version {release.version}" if release else ""
    return Planned(Effect.MOVE_ALIAS, words or f"taking the alias {alias} away")
