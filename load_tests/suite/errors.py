"""What can go wrong before there is a verdict.

LoadError
├── UsageError          a setting, a profile or an objective says what can't be
├── HostFailed          the service does not answer, or not as ours does
├── SystemFailed        the system that is started here did not start, or a command of it failed
└── GeneratorFailed     a process that sends requests ended before its time
"""


class LoadError(Exception):
    """What happened, to what, and what to do about it; its text is one line."""

    exit_code = 2  # nothing was judged


class UsageError(LoadError):
    """A setting, a profile or an objective says what can't be."""


class HostFailed(LoadError):
    """The service does not answer, or not as ours does."""


class SystemFailed(LoadError):
    """The system that is started here did not start, or a command of it failed."""


class GeneratorFailed(LoadError):
    """A process that sends requests ended before its time."""
