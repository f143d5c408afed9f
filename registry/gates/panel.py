"""Which gates there are: ours, and those that a project adds."""

import importlib
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from artifacts.errors import SettingsError
from registry.gates.budget import Budget
from registry.gates.evidence import Evidence
from registry.gates.findings import Finding, Verdict
from registry.gates.integrity import Contract, Integrity
from registry.gates.quality import Calibration, Quality, Recall
from registry.gates.replay import Replay
from registry.gates.thresholds import Thresholds


class Gate(Protocol):
    """One rule. It reads the evidence and nothing else."""

    @property
    def name(self) -> str:
        """What it is called in reports."""

    def judge(self, evidence: Evidence) -> Finding:
        """Give its verdict."""


def make(thresholds: Thresholds) -> list[Gate]:
    """Return the gates with their limits, in the order in which they are asked.

    Raises:
        SettingsError: a gate of the project's own can't be made.
    """
    return [
        Integrity(thresholds.integrity),
        Contract(),
        Quality(thresholds.quality),
        Recall(thresholds.recall),
        Calibration(thresholds.calibration),
        Budget(thresholds.budget),
        Replay(thresholds.replay),
        *(_OwnGate.load(place) for place in thresholds.own_gates),
    ]


_RAISED = (Exception, SystemExit)
"""What somebody else's code may raise; who ends it from outside (Ctrl-C) ends the command."""


@dataclass(frozen=True)
class _OwnGate:
    """A gate of somebody else's: what goes wrong in it is told, and lets nothing pass."""

    name: str
    gate: Gate

    @classmethod
    def load(cls, place: str) -> "_OwnGate":
        module, _, name = place.partition(":")
        try:
            gate = getattr(importlib.import_module(module), name)()
            return cls(str(gate.name), gate)
        except _RAISED as error:
            raise SettingsError(
                f"the gate {place} of own_gates can't be made: {_words(error)}",
                hint="its module must be importable, and its class take no arguments",
            ) from error

    def judge(self, evidence: Evidence) -> Finding:
        try:
            found: object = self.gate.judge(evidence)
        except _RAISED as error:
            return self._inconclusive(f"it could not judge: {_words(error)}")
        if not isinstance(found, Finding):
            return self._inconclusive("it gave no finding")
        try:
            # As the report keeps it: nobody has checked the types, and JSON has no NaN.
            kept = msgspec.json.decode(msgspec.json.encode(found, enc_hook=_plain), type=Finding)
        except (TypeError, ValueError, RecursionError) as error:
            return self._inconclusive(f"it gave a finding that no report can hold: {error}")
        return msgspec.structs.replace(kept, gate=self.name)

    def _inconclusive(self, sentence: str) -> Finding:
        plain = sentence.encode(errors="backslashreplace").decode()  # no surrogate on its own
        return Finding(self.name, Verdict.INCONCLUSIVE, plain)


def _words(error: BaseException) -> str:
    """Return what was raised, without its words where it has none that can be had."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except _RAISED:
        return name


def _plain(value: object) -> object:
    """Return a scalar of NumPy's, which any mean of the evidence is, as a plain one.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"it holds a {type(value).__name__}")
