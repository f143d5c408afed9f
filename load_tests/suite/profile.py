"""A profile: what is sent, how much of it, and for how long; a file of `load_tests/profiles/`."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from load_tests.suite.errors import UsageError

FOLDER = Path(__file__).parents[1] / "profiles"

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of time with one rate."""

    name: str
    rate: Positive
    """Requests a second, on average; in an overload, times the knee."""
    seconds: Positive
    counted: bool = True
    """Whether the figures are made of it; a warm-up is not."""


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which share of the requests comes from whom; the four add up to 1."""

    single: Share = 0.8
    """One row a request."""
    table: Share = 0.1
    """2 to 100 rows a request."""
    mistake: Share = 0.05
    """Whatever can be done wrongly."""
    reader: Share = 0.05
    """Metadata and health."""


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the knee is looked for."""

    first: Positive
    """The rate of the first step; each doubles the one before, until one does not hold."""
    seconds: Positive
    """How long a step is."""
    precision: Share = 0.1
    """The search ends where what holds and what does not are as close as that."""
    most: Positive = 100_000
    """No step is above."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One profile."""

    name: str
    title: str
    kind: Literal["load", "ramp", "overload", "promote"] = "load"
    phases: list[Phase] = []
    mix: Mix = Mix()
    in_flight: Count = 512
    """The most requests that are under way at a time, over all generators."""
    deadline_ms: Count = 1000
    """What an answer may take to count as goodput; the service is told, and may refuse at once."""
    search: Search | None = None
    system: dict[str, str] = {}
    """Variables of the system, where it is started here."""

    @property
    def seconds(self) -> float:
        """How long the phases take together."""
        return sum(phase.seconds for phase in self.phases)


def names() -> list[str]:
    """Return the names of the profiles that there are."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def read(name: str) -> Profile:
    """Return a profile.

    Raises:
        UsageError: there is none of that name, or it says what can't be.
    """
    if name not in names():
        raise UsageError(f"PROFILE={name}: there is none; there are {', '.join(names())}")
    file = FOLDER / f"{name}.toml"
    try:
        table = msgspec.toml.decode(file.read_bytes())
        profile = msgspec.convert({"name": name, **table}, Profile)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{file.name}: {error}") from error
    mix = msgspec.structs.astuple(profile.mix)
    if abs(sum(mix) - 1) > 1e-9:
        raise UsageError(f"{file.name}: the shares of the mix add up to {sum(mix):g}, not to 1")
    if profile.kind in ("ramp", "overload") and profile.search is None:
        raise UsageError(f"{file.name}: [search] is missing")
    if profile.kind != "ramp" and not profile.phases:
        raise UsageError(f"{file.name}: [[phases]] are missing")
    if profile.kind == "promote" and len(profile.phases) > 1:
        raise UsageError(f"{file.name}: promotions go on in one phase, not in several")
    return profile


def scaled(profile: Profile, rate: float | None, seconds: float | None) -> Profile:
    """Return the profile at another rate and over another time; its shape stays.

    Args:
        profile: as it was read.
        rate: of its first counted phase, in requests a second; the others change alike.
        seconds: from the first phase to the last; of one step, where the profile is a search.
    """
    if profile.search is not None and seconds is not None and profile.kind == "ramp":
        search = msgspec.structs.replace(profile.search, seconds=seconds)
        return msgspec.structs.replace(profile, search=search)
    if not profile.phases:
        return profile
    base = next((phase.rate for phase in profile.phases if phase.counted), profile.phases[0].rate)
    faster = 1.0 if rate is None else rate / base
    longer = 1.0 if seconds is None else seconds / profile.seconds
    return msgspec.structs.replace(
        profile,
        phases=[
            msgspec.structs.replace(phase, rate=phase.rate * faster, seconds=phase.seconds * longer)
            for phase in profile.phases
        ],
    )
