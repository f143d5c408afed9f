from pathlib import Path

import msgspec

from load_tests.suite import page
from load_tests.suite.objectives import Measured, Objectives, verdict
from load_tests.suite.report import Run, text, write_json
from tests.unit.load_suite.values import figures, look, run

SCREEN = """\
a little of everything: http://127.0.0.1:8080, 2026-11-24T22:00:00+00:00, answers known from \
1 model file(s)

phase  due      goodput  p50, ms  p95, ms  p99, ms  errors  shed   late
-----  -------  -------  -------  -------  -------  ------  -----  ----
smoke  1,000/s  1,000/s  5.0      20.0     50.0     0.00%   0.00%  0

generator: 1 worker(s), 50% of a core in the busiest seconds, late by 2.0 ms (p99), at most 7 \
under way at a time in one

objective    wanted              measured                verdict
-----------  ------------------  ----------------------  -------
correctness  every answer right  10,000 judged, 0 wrong  held
p99_ms       at most 100.0 ms    50.0 ms                 held

held (exit 0)"""


def test_the_verdict_is_read_last() -> None:
    """Whoever sees only the end of the screen sees the table of objectives and the exit code."""
    assert text(run()) == SCREEN


def test_what_makes_a_run_void_stands_before_its_verdict() -> None:
    """All of it, not only the first."""
    judged = verdict(Objectives(), Measured(figures=figures()), ["it slept", "it was limited"])
    assert text(run(verdict=judged)).endswith(
        "VOID: it slept\nVOID: it was limited\n\nvoid: it slept (exit 2)"
    )


def test_noise_is_told_from_a_tenth_of_a_core_on() -> None:
    """A verdict on a machine that others use is worth less, so it says so."""
    quiet = run().generator
    busy = msgspec.structs.replace(quiet, others_cpu=1.25)
    assert "NOISE" not in text(run())
    assert "NOISE: something else took 1.2 cores" in text(run(generator=busy))


def test_a_run_comes_back_from_its_file(tmp_path: Path) -> None:
    """What was measured can be read by programs, and be the baseline of another."""
    write_json(run(), tmp_path / "run.json")
    assert msgspec.json.decode((tmp_path / "run.json").read_bytes(), type=Run) == run()


def test_the_page_shows_what_is_and_says_what_is_not_measured(tmp_path: Path) -> None:
    """One file with plots in it; words of a service are text there, and no markup."""
    file = tmp_path / "run.html"
    page.write(run(words={"wrong: <script>": 1}, looks=[look(0, memory_mib=None)]), file)
    written = file.read_text()
    assert "<svg" in written
    assert "queue: not measured" in written
    assert "memory: not measured" in written
    assert "<script>" not in written
