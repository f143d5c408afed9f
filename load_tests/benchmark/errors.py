"""What can go wrong.

BenchmarkError
├── SettingsError       a variable says what can't be
├── SetUpFailed         a tool is missing, or a peer could not be installed
└── SystemFailed        a system under test did not start, or went away
"""


class BenchmarkError(Exception):
    """What happened, to what, and what to do about it; its text is one line."""

    exit_code = 1


class SettingsError(BenchmarkError):
    """A variable says what can't be."""

    exit_code = 2


class SetUpFailed(BenchmarkError):
    """What the benchmark needs is missing, and could not be made."""


class SystemFailed(BenchmarkError):
    """A system under test did not start, or went away."""
