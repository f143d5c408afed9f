"""The expected failures of the registry.

IrisError
└── RegistryError
    ├── VersionUnfit          a version that cannot be promoted, whatever the evidence
    ├── GatesFailed           the evidence speaks against it
    ├── GatesInconclusive     exit 2: the evidence says too little
    ├── RegistryUnavailable   MLflow did not answer
    ├── LedgerDamaged         the ledger is not whole; everything stops
    ├── LedgerForeign         ledger, target and registry do not belong together
    ├── LedgerMoved           somebody else appended first
    ├── OperationOpen         a promotion or rollback is under way
    ├── NothingToDo           there is no release to go back to
    ├── TakenOverByHand       what serves was changed by hand; it is left alone
    ├── TargetError           what serves did not do as asked
    │   ├── TargetUnavailable     it did not answer
    │   ├── TargetMoved           it changed since it was read
    │   ├── RolloutFailed         the release cannot serve
    │   └── WatchFailed           it serves, but not as the one before did
    ├── NotCompensated        a failed promotion could not be undone; it stays open
    └── Interrupted           exit 130 for Ctrl-C; says how things stand
"""

from artifacts.errors import IrisError


class RegistryError(IrisError):
    """Root of this package's errors."""


class VersionUnfit(RegistryError):
    """The version does not exist, is not ready, or has no release file."""


class GatesFailed(RegistryError):
    """At least one gate says no."""


class GatesInconclusive(RegistryError):
    """No gate says no, and at least one cannot say yes."""

    exit_code = 2


class RegistryUnavailable(RegistryError):
    """MLflow did not answer, or answered with an error."""


class LedgerDamaged(RegistryError):
    """A record is missing, altered, out of order, or not what a stamp says it was."""


class LedgerForeign(RegistryError):
    """The ledger belongs to another target or another registry."""


class LedgerMoved(RegistryError):
    """Somebody else holds the number that was to be written."""


class OperationOpen(RegistryError):
    """A promotion or rollback has begun and has no outcome yet."""


class NothingToDo(RegistryError):
    """There is nothing to roll back to."""


class TakenOverByHand(RegistryError):
    """What serves was changed by hand during the operation, and is left as it is."""


class TargetError(RegistryError):
    """What serves did not do as it was asked."""


class TargetUnavailable(TargetError):
    """It did not answer."""


class TargetMoved(TargetError):
    """It changed since it was read, or carries a younger record's stamp."""


class RolloutFailed(TargetError):
    """The release cannot serve, or not in time."""


class WatchFailed(TargetError):
    """The watch window saw something out of bounds, or nothing at all."""


class NotCompensated(RegistryError):
    """A failed promotion could not be undone; it stays open until it is recovered."""


class Interrupted(RegistryError):
    """A signal ended the command. Whatever was being done is done or not, and the ledger tells.

    The exit code is the shell's for it: 128 and the signal's number, 130 for Ctrl-C.
    """
