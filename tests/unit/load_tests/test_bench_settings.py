"""What `make bench` can be told."""

import pytest

from load_tests.benchmark.errors import SettingsError
from load_tests.benchmark.settings import Load, from_environ
from load_tests.benchmark.systems import DEFAULT


def test_nothing_said_is_the_full_run() -> None:
    """The defaults are those of the record: five rounds of five seconds at every load."""
    found = from_environ({"PEERS": "", "CONNECTIONS": ""})
    assert found.systems == DEFAULT
    assert [str(load) for load in found.loads] == [
        "1 x 1", "32 x 1", "128 x 1", "256 x 1", "32 x 32", "128 x 32",
    ]  # fmt: skip
    assert (found.rounds, found.duration_s) == (5, 5)
    assert found.experiments == ("overload", "instances")


def test_experiments_are_left_out_or_taken_by_name() -> None:
    """The long load is one that is asked for."""
    assert from_environ({"EXPERIMENTS": "none"}).experiments == ()
    found = from_environ({"EXPERIMENTS": "soak", "SOAK": "60"})
    assert (found.experiments, found.soak_s) == (("soak",), 60)


def test_a_narrowed_run_is_ours_and_what_was_named() -> None:
    """Ours is measured always; peers and connections are those asked for, once each."""
    found = from_environ({"PEERS": "mosec, echo,mosec", "CONNECTIONS": "64,32", "ROUNDS": "3"})
    assert found.systems == ("iris", "mosec", "echo")
    assert found.loads == (Load(64, 1), Load(32, 1), Load(32, 32))
    assert (found.rounds, found.duration_s) == (3, 2)


def test_a_duration_that_was_asked_for_is_kept() -> None:
    """The shorter duration of a quick run is only a default."""
    assert from_environ({"ROUNDS": "3", "DURATION": "7"}).duration_s == 7


@pytest.mark.parametrize(
    "environ",
    [
        {"PEERS": "mosek"},
        {"CONNECTIONS": "many"},
        {"CONNECTIONS": "0"},
        {"EXPERIMENTS": "soke"},
        {"ROUNDS": "-1"},
        {"DURATION": "1.5"},
    ],
)
def test_what_cannot_be_is_refused_by_name(environ: dict[str, str]) -> None:
    """A misspelt peer does not become a run without it."""
    with pytest.raises(SettingsError, match=next(iter(environ))):
        from_environ(environ)
