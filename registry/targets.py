"""What serves: this machine's supervisor, or a cluster's Deployment, as the settings say."""

from collections.abc import Iterator
from contextlib import contextmanager

from registry.rollout import Target
from registry.settings import RegistrySettings


def target_of(settings: RegistrySettings) -> str:
    """Return what people call the environment's target."""
    if settings.iris_target == "kubernetes":
        return f"cluster {settings.iris_cluster}, namespace {settings.kubernetes_namespace}"
    return settings.iris_supervisor_url or str(settings.home)


@contextmanager
def open_target(settings: RegistrySettings, *, start: bool) -> Iterator[Target]:
    """Yield the environment's target.

    Args:
        settings: say which.
        start: whether a supervisor is started for the length of the block, where none is running.

    Raises:
        TargetUnavailable: it can't be reached.
    """
    if settings.iris_target == "kubernetes":
        from registry.rollout.kubernetes import open_kubernetes_target

        with open_kubernetes_target(settings) as cluster:
            yield cluster
    else:
        from registry.rollout.local import open_local_target

        with open_local_target(settings, start=start) as machine:
            yield machine
