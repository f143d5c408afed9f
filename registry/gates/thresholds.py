"""The thresholds: one commented TOML file, and what a file of the user's own changes of it."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from artifacts.errors import SettingsError
from registry.settings import RegistrySettings

DEFAULTS = Path(__file__).with_name("thresholds.toml")

Confidence = Annotated[float, msgspec.Meta(ge=0.5, lt=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; what each field means is said there."""


class IntegrityLimits(_Section, frozen=True, kw_only=True):
    """`[integrity]`."""

    parity: Positive


class QualityLimits(_Section, frozen=True, kw_only=True):
    """`[quality]`."""

    confidence: Confidence
    margin: Share
    accuracy_floor: Share


class RecallLimits(_Section, frozen=True, kw_only=True):
    """`[recall]`."""

    confidence: Confidence
    tolerance: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    floor: Share


class CalibrationLimits(_Section, frozen=True, kw_only=True):
    """`[calibration]`."""

    confidence: Confidence
    tolerance: NotNegative
    brier_limit: Positive


class BudgetLimits(_Section, frozen=True, kw_only=True):
    """`[budget]`."""

    slower: Positive
    slow_floor_ms: Positive
    p50_limit_ms: Positive
    p99_limit_ms: Positive
    larger: Positive
    size_floor_mb: Positive
    size_limit_mb: Positive
    load_slower: Positive
    load_floor_s: Positive
    load_limit_s: Positive


class ReplayLimits(_Section, frozen=True, kw_only=True):
    """`[replay]`."""

    confidence: Confidence
    minimum_requests: Count
    most_requests: Count
    oldest_days: Positive
    changed_limit: Share


class WatchLimits(_Section, frozen=True, kw_only=True):
    """`[watch]`: of the window between proof and alias."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)]
    error_rate: Annotated[float, msgspec.Meta(ge=0, le=0.5)]
    slower: Positive
    slow_floor_ms: Positive
    real_requests: Count
    synthetic_per_second: Positive


class Thresholds(_Section, frozen=True, kw_only=True):
    """The whole file."""

    own_gates: list[Annotated[str, msgspec.Meta(pattern=r"^[\w.]+:\w+$")]]
    integrity: IntegrityLimits
    quality: QualityLimits
    recall: RecallLimits
    calibration: CalibrationLimits
    budget: BudgetLimits
    replay: ReplayLimits
    watch: WatchLimits


def load_thresholds(settings: RegistrySettings) -> Thresholds:
    """Read the defaults, and what `IRIS_GATES_FILE` changes of them.

    Raises:
        SettingsError: the file is not there, no TOML, or holds a key or value that is not valid.
    """
    own = settings.iris_gates_file
    return read_thresholds(Path(own).expanduser() if own else None)


def read_thresholds(own: Path | None = None) -> Thresholds:
    """Read the defaults, and what the file `own` changes of them.

    Raises:
        SettingsError: the file is not there, no TOML, or holds a key or value that is not valid.
    """
    whole = _read(DEFAULTS)
    for name, value in (_read(own) if own else {}).items():
        merges = isinstance(value, dict) and isinstance(whole.get(name), dict)
        whole[name] = {**whole[name], **value} if merges else value
    try:
        return msgspec.convert(whole, Thresholds)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{own or DEFAULTS} is not valid: {error}",
            hint="registry/gates/thresholds.toml lists every key with its default",
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"IRIS_GATES_FILE={str(path)!r} cannot be read: {reason}",
            hint="name a TOML file that holds what differs from registry/gates/thresholds.toml",
        ) from None
