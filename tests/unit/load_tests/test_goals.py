"""Whether a goal holds."""

import pytest

from load_tests.benchmark.experiments import Sample
from load_tests.benchmark.figures import Results
from load_tests.benchmark.goals import (
    GOALS,
    PYTHON_FRONTS,
    Comparison,
    Experiment,
    Goal,
    Ratio,
    verdict,
    verdicts,
)
from load_tests.benchmark.report import goals_table
from load_tests.benchmark.settings import Load
from load_tests.benchmark.systems import SYSTEMS
from tests.unit.load_tests.points import point, start


def goal(comparison: Comparison, bound: float, *against: str, name: str = "requests_per_s") -> Goal:
    """Return a goal at 32 connections."""
    return Goal("a goal", Ratio(name, Load(32, 1), against), comparison, bound)


def results(**rates: list[float]) -> Results:
    """Return a run with the requests/s of each system, a round each."""
    return Results(
        [
            point(system, round_, requests_per_s=rate)
            for system, given in rates.items()
            for round_, rate in enumerate(given, 1)
        ],
        [],
    )


@pytest.mark.parametrize(
    ("comparison", "bound", "state"),
    [
        ("at least", 1.5, "holds"),
        ("at least", 2.0, "holds"),
        ("at least", 2.1, "fails"),
        ("at most", 2.0, "holds"),
        ("at most", 1.9, "fails"),
    ],
)
def test_the_median_is_held_to_the_bound(comparison: Comparison, bound: float, state: str) -> None:
    """A bound that is just reached holds."""
    found = verdict(goal(comparison, bound, "mosec"), results(iris=[2000.0], mosec=[1000.0]))
    assert found.state == state


def test_a_goal_holds_against_all_that_it_names() -> None:
    """The best of the peers decides, and stands first."""
    run = results(iris=[2000.0], fastapi=[100.0], kserve=[500.0])
    found = verdict(goal("at least", 10.0, "fastapi", "kserve", "mlflow"), run)
    assert found.state == "fails"
    assert list(found.figures) == ["kserve", "fastapi"]


def test_what_was_not_measured_neither_holds_nor_fails() -> None:
    """A run without the peer says nothing about the goal."""
    found = verdict(goal("at least", 1.0, "mosec"), results(iris=[2000.0]))
    assert found.state == "not measured"


def test_a_bound_within_the_spread_is_named_unsure() -> None:
    """Another run may say otherwise, so the verdict says that."""
    run = results(iris=[900.0, 1300.0, 1250.0], mosec=[1000.0, 1000.0, 1000.0])
    found = verdict(goal("at least", 1.2, "mosec"), run)
    assert (found.state, found.unsure) == ("holds", True)
    assert "holds, within the spread" in goals_table([found])


def test_inference_is_ready_within_its_bound() -> None:
    """The start of the inference process is held to the goal, not that of the supervisor."""
    run = Results([point("iris")], [start("iris", ready_s=6.0, inference_ready_s=3.5)])
    states = {found.goal: found.state for found in verdicts(run)}
    assert states["inference, start to ready"] == "holds"


def test_goals_name_systems_and_figures_that_exist() -> None:
    """A misspelt name would be a goal that is never measured."""
    known = set(point("iris").__struct_fields__)
    for each in GOALS:
        if isinstance(each.figure, Ratio):
            assert each.figure.name in known
            assert set(each.figure.against) <= set(SYSTEMS)


def test_every_peer_with_a_python_front_is_one_to_beat() -> None:
    """The best of them is known only if all are asked."""
    assert {"fastapi", "bentoml", "mlserver", "kserve", "litserve", "mlflow"} < set(PYTHON_FRONTS)
    assert not {"mosec", "echo", "iris"} & set(PYTHON_FRONTS)


def test_an_experiment_is_held_to_its_goals() -> None:
    """Its samples are found by name; a run without it says that it was not measured."""
    figures = {each.figure: each.name for each in GOALS if isinstance(each.figure, Experiment)}
    samples = [
        Sample(name="2 inference processes", round=n, value=v) for n, v in [(1, 1.8), (2, 2)]
    ]
    states = {v.goal: v.state for v in verdicts(Results([], [], samples))}
    assert states.pop(figures.pop(Experiment("2 inference processes"))) == "holds"
    assert figures
    assert {states[name] for name in figures.values()} == {"not measured"}
