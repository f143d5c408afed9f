"""An API server that is restarted while a promotion is under way."""

import pytest

from tests.cluster.arena import UNGATED, Arena
from tests.cluster.node import lifecycle, space
from tests.cluster.system import System

pytestmark = pytest.mark.timeout(600)


def test_an_api_server_that_is_restarted_during_a_rollout(arena: Arena) -> None:
    """The promoter looks again, and goes on when it answers."""
    version = arena.other()
    job = arena.job("promote", version, *UNGATED)
    job.until_said("waiting for")
    lifecycle.restart("kube-apiserver")
    space.wait_until(lambda: answers(arena.system), "the API server answers", 60)
    done = job.ended()
    assert done.code == 0, done.stdout
    assert "looking again: the API server" in done.stdout
    arena.agrees(version)


def answers(system: System) -> bool:
    """Tell whether the API server is there again."""
    return system.run(system.program, "get", "--raw=/readyz", code=None).code == 0
