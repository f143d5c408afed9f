from typing import Any

import pytest

from load_tests.suite.objectives import (
    BROKEN,
    FILE,
    HELD,
    VOID,
    Limits,
    Measured,
    Objectives,
    Verdict,
    holds,
    is_limited,
    noise,
    read,
    verdict,
)
from load_tests.suite.profile import names
from tests.unit.load_suite.values import figures

WANTED = Objectives(p50_ms=10, p95_ms=40, p99_ms=100, error_share=0.01, shed_share=0.01)


def judged(wanted: Objectives = WANTED, void: list[str] | None = None, **changes: Any) -> Verdict:
    """Judge a good run, but for what is named."""
    return verdict(wanted, Measured(figures=figures(**changes)), void or [])


def test_a_good_run_holds() -> None:
    """Every objective is listed with what was wanted, measured and found."""
    found = judged()
    assert (found.exit_code, found.words) == (HELD, "held")
    assert [j.objective for j in found.judged][:2] == ["correctness", "p50_ms"]
    assert {j.state for j in found.judged} == {"held"}


@pytest.mark.parametrize(
    "broken",
    [{"p50_ms": 11}, {"p95_ms": 41}, {"p99_ms": 101}, {"error_share": 0.02}, {"shed_share": 0.02}],
)
def test_what_is_out_of_bounds_breaks_the_run(broken: dict[str, Any]) -> None:
    """One objective is enough, and it is named."""
    found = judged(**broken)
    assert (found.exit_code, found.words) == (BROKEN, f"broken: {next(iter(broken))}")


def test_a_wrong_answer_breaks_the_run_whatever_else() -> None:
    """Also one that is void, and however fast."""
    assert judged(wrong=1).exit_code == BROKEN
    assert judged(wrong=1, void=["the generator was the limit"]).exit_code == BROKEN


def test_a_void_run_neither_holds_nor_breaks() -> None:
    """Who could not measure has nothing to say, be it good or bad."""
    why = "the generator was the limit"
    assert judged(void=[why]).exit_code == VOID
    assert judged(void=[why], p99_ms=5000).exit_code == VOID
    assert why in judged(void=[why]).words


def test_under_noise_a_run_can_hold_but_not_break() -> None:
    """What holds with half of the machine holds; what doesn't might have, with all of it."""
    limits = Limits(cpu_share=0.9, lag_ms=25, others_cpu=0.5)
    said = noise(1.25, limits)
    assert "1.2 cores" in said
    assert noise(0.4, limits) == noise(None, limits) == ""
    slow, wrong = Measured(figures=figures(p99_ms=101)), Measured(figures=figures(wrong=1))
    assert verdict(WANTED, slow, [], said).exit_code == VOID
    assert "p99_ms did not hold" in verdict(WANTED, slow, [], said).words
    assert verdict(WANTED, wrong, [], said).exit_code == BROKEN
    assert verdict(WANTED, Measured(figures=figures()), [], said).exit_code == HELD


@pytest.mark.parametrize("unknown", [{"unjudged": 1}, {"judged": 0}])
def test_what_nobody_can_judge_does_not_hold(unknown: dict[str, Any]) -> None:
    """Without a model file a run ends with 2, though every latency holds."""
    found = judged(**unknown)
    assert (found.exit_code, found.judged[0].state) == (VOID, "not judged")


def test_an_objective_that_breaks_is_told_where_answers_are_not_judged() -> None:
    """It is broken, whoever answered."""
    assert judged(unjudged=1, p99_ms=101).exit_code == BROKEN


@pytest.mark.parametrize(("requests", "code"), [(999, VOID), (1000, HELD)])
def test_a_percentile_needs_samples_beyond_it(requests: int, code: int) -> None:
    """Ten at least: else it is one request's luck."""
    assert judged(requests=requests).exit_code == code


def test_what_was_shed_is_no_sample() -> None:
    """Percentiles are of what was answered."""
    wanted = Objectives(p99_ms=100)
    assert judged(wanted, requests=1000, shed_share=0.1).exit_code == VOID


def test_what_was_not_measured_is_said() -> None:
    """A host elsewhere shows no memory: the rest may hold, and the verdict says what is missing."""
    found = judged(Objectives(memory_mib=100))
    assert found.exit_code == HELD
    assert "not measured: memory_mib" in found.words
    assert (
        verdict(Objectives(memory_mib=100), Measured(figures=figures(), memory_mib=101), []).words
        == "broken: memory_mib"
    )


def test_goodput_and_knee_are_wanted_at_least() -> None:
    """More is better there."""
    assert judged(Objectives(goodput_share=0.9), goodput_share=0.89).exit_code == BROKEN
    wanted = Objectives(knee=1000)
    assert verdict(wanted, Measured(figures=figures(), knee=999), []).exit_code == BROKEN
    assert verdict(wanted, Measured(figures=figures(), knee=1000), []).exit_code == HELD


def test_every_operation_must_be_done() -> None:
    """A promotion that fails under load breaks the run, though no request was lost."""
    assert verdict(WANTED, Measured(figures=figures(), operations=(2, 3)), []).exit_code == BROKEN
    assert verdict(WANTED, Measured(figures=figures(), operations=(3, 3)), []).exit_code == HELD


def test_a_step_holds_without_ten_samples_beyond_its_percentile() -> None:
    """Steps are short; what is out of bounds is so all the same."""
    assert holds(WANTED, figures(requests=100))
    assert not holds(WANTED, figures(requests=100, p99_ms=101))
    assert not holds(WANTED, figures(wrong=1))
    assert not holds(Objectives(), figures(judged=0))


def test_a_busy_or_late_generator_is_the_limit() -> None:
    """Its own use of a core, or how late its timers ring, tell."""
    limits = Limits(cpu_share=0.9, lag_ms=25, others_cpu=0.5)
    assert is_limited([0.5, 0.89], 24, limits) == ""
    assert "90%" in is_limited([0.5, 0.9], 1, limits)
    assert "25 ms" in is_limited([0.5], 25, limits)


@pytest.mark.parametrize("name", names())
def test_every_profile_has_objectives(name: str) -> None:
    """A run without them would have no verdict."""
    read(FILE, name)
