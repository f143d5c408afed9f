"""What a run says in the end."""

import json
from pathlib import Path

from load_tests.benchmark import plot, report
from load_tests.benchmark.machine import Machine
from load_tests.benchmark.measurement import Point
from tests.unit.load_tests.points import point, start

MACHINE = Machine(
    date="2026-11-24T03:00:00+00:00",
    processor="a processor",
    cores=2,
    memory_gib=8.0,
    system="Linux",
    python="3.11.7",
    wrk="wrk 4.1.0",
    commit="abc",
    load_average=[0.1, 0.1, 0.1],
    versions={"mosec": {"mosec": "0.9.8"}},
)


def run(*points: Point, complete: bool = True) -> report.Run:
    """Return a run of ours and mosec."""
    return report.Run(
        machine=MACHINE,
        rounds=2,
        duration_s=3,
        complete=complete,
        points=list(points),
        samples=[],
        starts=[start("iris"), start("mosec")],
        failures={},
    )


POINTS = [
    point("iris", 1, requests_per_s=2400.0),
    point("mosec", 1, requests_per_s=1000.0),
    point("iris", 2, requests_per_s=2600.0),
    point("mosec", 2, requests_per_s=1000.0),
]


def test_a_table_shows_ratios_with_their_spread() -> None:
    """A reader sees how far the rounds lie apart, and on which machine."""
    written = report.text(run(*POINTS))
    assert "2.50 (2.40 to 2.60)" in written
    assert "2,500 (2,400 to 2,600)" in written
    assert "a processor" in written
    assert "NOISE" not in written
    assert "VOID" not in written


def test_void_points_noise_and_an_unfinished_run_are_said() -> None:
    """Nothing that takes from a figure's worth is left out."""
    bad = point("iris", 2, errors=4, void="4 errors", others_cpu=0.8)
    written = report.text(run(*POINTS[:2], bad, complete=False))
    assert "[1 void: 4 errors]" in written
    assert "NOISE: in 1 of 3 points" in written
    assert "NOT COMPLETE" in written


def test_a_run_without_points_is_still_a_report() -> None:
    """Whoever interrupts at once gets the goals, none measured."""
    assert "not measured" in report.text(run(complete=False))


def test_the_json_holds_points_versions_and_verdicts(tmp_path: Path) -> None:
    """Who wants other figures than the table's can compute them."""
    file = tmp_path / "run.json"
    report.write_json(run(*POINTS), file)
    document = json.loads(file.read_bytes())
    assert document["machine"]["versions"] == {"mosec": {"mosec": "0.9.8"}}
    assert len(document["points"]) == 4
    verdicts = {goal["goal"]: goal["state"] for goal in document["goals"]}
    assert verdicts["requests/s at 32, against mosec"] == "holds"


def test_the_picture_is_the_same_for_the_same_run(tmp_path: Path) -> None:
    """A picture under version control changes only when the figures do."""
    for name in ("one.svg", "two.svg"):
        plot.draw(run(*POINTS).results, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "mosec, scikit-learn" in (tmp_path / "one.svg").read_text()
