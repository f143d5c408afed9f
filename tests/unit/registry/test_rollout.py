"""When a rollout is done: one pure function of what the target says."""

import pytest

from artifacts.release import Release
from registry.errors import RolloutFailed
from registry.rollout import Instance, Rollout, TargetState, awaited

NEW = Release("2", "iris-classifier/v2/model.onnx", "b" * 64)
OLD = Release("1", "iris-classifier/v1/model.onnx", "a" * 64)
READY = Instance("new", NEW, ready=True)


def state(
    *instances: Instance, release: Release | None = NEW, rollout: str = "idle"
) -> TargetState:
    """Return what a target says."""
    return TargetState("t", 1, release, None, list(instances), Rollout(rollout, "a reason"))


def test_it_is_done_when_every_instance_says_so() -> None:
    """By its own word, ready, and with nothing under way."""
    assert awaited(state(READY, READY), NEW) is None
    assert awaited(state(release=None), None) is None


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (state(READY, release=OLD), "to take the release"),
        (state(), "first instance to start"),
        (state(READY, Instance("old", OLD, ready=True)), "1 of 2 instances"),
        (state(Instance("new", NEW, ready=False)), "1 of 1 instance"),
        (state(Instance("new", None, ready=False)), "1 of 1 instance"),
        (state(READY, rollout="progressing"), "the rollout to end"),
    ],
)
def test_until_then_it_says_what_is_missing(found: TargetState, missing: str) -> None:
    """Ready is not rolled out: old instances that still serve are waited for."""
    assert str(awaited(found, NEW)).endswith(missing)


def test_another_digest_under_the_same_version_is_not_it() -> None:
    """The digest decides, not the version's text."""
    other = Instance("new", Release(NEW.version, NEW.blob, "c" * 64), ready=True)
    assert awaited(state(other), NEW) is not None


def test_a_release_by_hand_is_known_by_its_name() -> None:
    """It was asked for without a digest, and the instance tells the one that it found."""
    by_hand = Release(NEW.version, NEW.blob, None)
    assert awaited(state(READY, release=by_hand), by_hand) is None


def test_a_release_that_was_given_up_is_a_failure_with_its_reason() -> None:
    """It is waited for no longer."""
    with pytest.raises(RolloutFailed, match="a reason"):
        awaited(state(rollout="failed"), NEW)
