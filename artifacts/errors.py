"""The expected failures, as one tree.

    IrisError                   exit 1
    ├── UsageError              exit 2
    ├── SettingsError           exit 2
    ├── StoreError
    │   ├── BlobNotFound
    │   ├── BlobConflict
    │   ├── InvalidBlobName
    │   └── StoreUnavailable
    └── ModelFileError
        ├── PickleRefused
        ├── DigestMismatch
        └── CorruptModelFile

Each package adds its own below `IrisError`. A command prints `str(error)` and exits with
`error.exit_code`; whatever is not an `IrisError` is a defect and keeps its traceback.
"""


class IrisError(Exception):
    """An expected failure: what happened, to what, and what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message

    def in_one_line(self) -> str:
        """Return message and hint as a line of a log."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(IrisError):
    """The command was called with words that make no sense together."""

    exit_code = 2


class SettingsError(IrisError):
    """An environment variable is missing or wrong."""

    exit_code = 2


class StoreError(IrisError):
    """Something about the blob store."""


class BlobNotFound(StoreError):
    """No blob lies under the name."""


class BlobConflict(StoreError):
    """Other content lies under the name already; what is written once stays."""


class InvalidBlobName(StoreError):
    """The name would leave the store, or no store could hold it."""


class StoreUnavailable(StoreError):
    """The store did not answer, or refused for a reason of its own (rights, space, network)."""


class ModelFileError(IrisError):
    """Something about a model file."""


class PickleRefused(ModelFileError):
    """A pickle lies where a model file belongs. Loading one runs whatever code it holds."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is a pickle, and a pickle is never loaded in serving: it can run any code",
            hint="make a release of it where scikit-learn is: iris import model.pkl --trust",
        )


class DigestMismatch(ModelFileError):
    """The file is not the one that was asked for."""


class CorruptModelFile(ModelFileError):
    """The file is cut short, altered, or no model file of ours."""
