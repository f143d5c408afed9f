"""The gates: each verdict for its reason, and a report that stays readable."""

import datetime as dt
import re
import sys
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.errors import SettingsError
from artifacts.model import Feature, Histogram, Parity
from artifacts.replay import Served, ServedBatch, batch_name, encode
from registry.errors import GatesFailed, GatesInconclusive, RegistryUnavailable
from registry.examination import examine, examine_version, keep
from registry.gates import Finding, Report, Verdict
from registry.gates.budget import Budget
from registry.gates.evidence import Answers, Compared, Cost, Evidence
from registry.gates.findings import Measure
from registry.gates.page import page
from registry.gates.quality import Calibration, Quality, Recall
from registry.gates.thresholds import load_thresholds, read_thresholds
from registry.promotion import Request, promote
from registry.screens import gate_table, gate_verdict, operation_screen
from registry.settings import RegistrySettings
from tests.support.model_files import FEATURES, LABELS, probabilities
from tests.unit.registry.fakes import Crash, World
from training.evaluation import Table, held_out

LIMITS = read_thresholds()
CLASSES = ["a", "b", "c"]
OLD = (
    b'{"schema": 1, "version": 2, "release": {"version": "2", "blob": "b", "sha256": null}, '
    b'"champion": null, "head": {"number": 3, "digest": "d"}, "findings": ['
    b'{"gate": "quality", "verdict": "pass", "sentence": "right"}]}'
)


def answers(said: list[str], sure: float = 0.9) -> Answers:
    """Return answers that say these labels, each with the same confidence."""
    rest = (1 - sure) / 2
    return Answers(np.array([[sure if c == s else rest for c in CLASSES] for s in said]), CLASSES)


def compared(truth: list[str], said: list[str], before: list[str] | None, **says: Any) -> Compared:
    """Return a comparison on rows of these labels."""
    known: dict[str, Any] = {
        "same_everywhere": False,
        "candidate_may_know": False,
        "champion_may_know": False,
    }
    old = None if before is None else answers(before)
    return Compared("d" * 64, truth, answers(said), old, **{**known, **says})


def evidence(rows: Compared | None, **says: Any) -> Evidence:
    """Return evidence of which only the rows, or what is said, is looked at."""
    cost = Cost(0.01, 0.02, 5_000, 0.01)
    known: dict[str, Any] = {
        "candidate": None,
        "champion": None,
        "registered": "a" * 64,
        "published": None,
        "cost": cost,
        "champion_cost": cost,
        "champion_rows": None,
        "champion_rows_missing": "",
        "served": None,
        "contract_change": "",
    }
    return Evidence(rows=rows, **{**known, **says})


def with_wrong(truth: list[str], wrong: int) -> list[str]:
    """Return the truth with so many rows wrong, spread over it."""
    places = set(np.linspace(0, len(truth) - 1, wrong, dtype=int).tolist()) if wrong else set()
    return [("b" if t == "a" else "a") if i in places else t for i, t in enumerate(truth)]


def finding(report: Report, gate: str) -> Finding:
    """Return what one gate said."""
    return next(found for found in report.findings if found.gate == gate)


def verdicts(report: Report) -> dict[str, Verdict]:
    """Return the verdict of each gate."""
    return {finding.gate: finding.verdict for finding in report.findings}


def table_of(rows: int, seed: int, noise: float = 0.0) -> Table:
    """Return random flowers, labelled as the model of tilt 0 sees them but for some noise."""
    rng = np.random.default_rng(seed)
    flowers = rng.uniform(0.5, 7.5, (rows, 4)).round(2)
    best = probabilities(flowers).argmax(axis=1)
    flipped = rng.random(rows) < noise
    best = np.where(flipped, rng.integers(0, 3, rows), best)
    return Table(flowers, [LABELS[i] for i in best], list(FEATURES))


def world_of(folder: Path, table: Table) -> World:
    """Return a world whose models were trained on a table."""
    world = World(folder)
    world.work().store.records.create(f"data/{table.sha256}.csv", table.to_csv())
    world.data = table.sha256
    return world


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_an_equal_passes_every_gate_on_two_thousand_rows(tmp_path: Path, noise: float) -> None:
    """The same function in another file is no loss, and a sure pass."""
    world = world_of(tmp_path, table_of(2000, 1, noise))
    promote(world.work(), Request(world.register()))
    report = examine_version(world.work(), world.register(seed=2))
    assert report.verdict is Verdict.PASS, gate_table(report)
    assert verdicts(report)["quality"] is Verdict.PASS


def test_a_nearly_equal_passes_on_two_thousand_rows(tmp_path: Path) -> None:
    """A few rows that fall otherwise are inside the margin."""
    world = world_of(tmp_path, table_of(2000, 1))
    promote(world.work(), Request(world.register()))
    report = examine_version(world.work(), world.register(tilt=0.2))
    assert report.verdict is Verdict.PASS, gate_table(report)


def test_a_challenger_that_learned_nothing_fails(tmp_path: Path) -> None:
    """Whoever gives one class to everything has lost the others, and that is evidence enough."""
    world = world_of(tmp_path, table_of(2000, 1))
    promote(world.work(), Request(world.register()))
    with pytest.raises(GatesFailed, match="quality"):
        promote(world.work(), Request(world.register(tilt=50.0)))


ON_ROWS = ("quality", "recall", "calibration")


def with_other_labels(table: Table, labels: list[str]) -> Table:
    """Return the rows of a table with other labels."""
    return Table(table.rows, labels, table.features)


def stored(world: World, table: Table) -> str:
    """Keep a table as training does, and return its digest."""
    world.work().store.records.create(f"data/{table.sha256}.csv", table.to_csv())
    return table.sha256


def swapped(table: Table) -> Table:
    """Return a table in which two labels stand for each other."""
    other = {LABELS[0]: LABELS[1], LABELS[1]: LABELS[0]}
    return with_other_labels(table, [other.get(label, label) for label in table.labels])


def test_what_learned_swapped_labels_fails_by_the_champions_data(tmp_path: Path) -> None:
    """On its own rows it is always right and the champion wrong: they have the labels it learned.

    Each gate says so of both tables, and the report that they are two.
    """
    table = table_of(400, 1)
    world = world_of(tmp_path, table)
    promote(world.work(), Request(world.register()))
    labels = [LABELS[1], LABELS[0], LABELS[2]]
    number = world.register(labels=labels, data_sha256=stored(world, swapped(table)))
    report = examine_version(world.work(), number, "the labels' order")
    assert [verdicts(report)[gate] for gate in ON_ROWS] == [Verdict.FAIL] * 3, gate_table(report)
    quality = finding(report, "quality")
    assert quality.sentence.startswith("on the champion's data, it ")
    assert "; on its own data, it is better than the champion by " in quality.sentence
    assert f"The champion has other data, {table.sha256[:12]}…" in gate_table(report)


def test_what_learned_shuffled_labels_fails(tmp_path: Path) -> None:
    """Its data is its own, on which nobody is right."""
    table = table_of(400, 1)
    world = world_of(tmp_path, table)
    promote(world.work(), Request(world.register()))
    shuffled = np.random.default_rng(1).permutation(table.labels).tolist()
    digest = stored(world, with_other_labels(table, shuffled))
    report = examine_version(world.work(), world.register(tilt=50.0, data_sha256=digest))
    assert verdicts(report)["quality"] is Verdict.FAIL, gate_table(report)


def test_the_same_table_with_more_rows_passes_on_both(tmp_path: Path) -> None:
    """New rows are what one trains anew for: nothing needs to be accepted for it."""
    table, more = table_of(1000, 1), table_of(1000, 2)
    world = world_of(tmp_path, table)
    promote(world.work(), Request(world.register()))
    whole = Table(np.vstack([table.rows, more.rows]), table.labels + more.labels, table.features)
    number = world.register(tilt=0.2, data_sha256=stored(world, whole))
    report = examine_version(world.work(), number)
    assert report.verdict is Verdict.PASS, gate_table(report)
    assert all("; on its own data, " in finding(report, gate).sentence for gate in ON_ROWS)
    assert "The champion has other data" in gate_table(report)


def test_the_same_data_judges_once(world: World) -> None:
    """Nothing is said of two tables where there is one."""
    promote(world.work(), Request(world.register()))
    told = gate_table(examine_version(world.work(), world.register(tilt=0.01)))
    assert "own data" not in told
    assert "other data" not in told


@pytest.mark.parametrize(
    ("data", "reason"), [("f" * 64, "gone from the store"), (None, "is not known")]
)
def test_without_the_champions_data_nothing_passes(
    world: World, data: str | None, reason: str
) -> None:
    """Other data by itself proves nothing: nobody else has vouched for its labels."""
    promote(world.work(), Request(world.register(data_sha256=data), accept_inconclusive="first"))
    report = examine_version(world.work(), world.register(tilt=0.01))
    for gate in ON_ROWS:
        assert finding(report, gate).verdict is Verdict.INCONCLUSIVE
        assert reason in finding(report, gate).sentence
    assert "Only its own data judges: the champion's data" in gate_table(report)


def test_without_the_champions_data_a_failure_stays(world: World) -> None:
    """What fails on its own data is not saved by it."""
    number = world.register(data_sha256="f" * 64)
    promote(world.work(), Request(number, accept_inconclusive="the first"))
    report = examine_version(world.work(), world.register(tilt=50.0))
    assert verdicts(report)["quality"] is Verdict.FAIL, gate_table(report)


def test_a_champions_data_that_lacks_a_feature_lets_nothing_pass(world: World) -> None:
    """It is there, and the candidate can't be asked for its rows."""
    table = table_of(400, 1)
    fewer = Table(table.rows[:, :3], table.labels, table.features[:3])
    number = world.register(data_sha256=stored(world, fewer))
    promote(world.work(), Request(number, accept_inconclusive="the first"))
    report = examine_version(world.work(), world.register(tilt=0.01))
    assert finding(report, "quality").verdict is Verdict.INCONCLUSIVE
    assert "lacks features" in finding(report, "quality").sentence


def test_an_imported_champions_data_is_what_it_was_measured_on(world: World) -> None:
    """Of an import the training data is not known; MLflow's tag names the table that judged it."""
    number = world.register(data_sha256=None, split_salt=None)
    world.versions.version_tags[number] = {"iris.reference_sha256": world.data}
    promote(world.work(), Request(number, accept_inconclusive="it is Ann's"))
    report = examine_version(world.work(), world.register(tilt=0.01))
    assert report.verdict is Verdict.PASS, gate_table(report)


def test_a_candidate_whose_own_data_is_gone_is_told_whose_rows_judge(world: World) -> None:
    """The champion's rows are fair to both; that they are its is no secret."""
    promote(world.work(), Request(world.register()))
    report = examine_version(world.work(), world.register(tilt=0.01, data_sha256="e" * 64))
    assert report.verdict is Verdict.PASS, gate_table(report)
    assert "e…, is gone from the store: the rows are the champion's" in gate_table(report)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_answers_of_shuffled_labels_fail(seed: int) -> None:
    """60 rows show that a model of shuffled labels is worse, however they fell."""
    truth = [label for label in CLASSES for _ in range(20)]
    said = np.random.default_rng(seed).permutation(truth).tolist()
    found = Quality(LIMITS.quality).judge(evidence(compared(truth, said, with_wrong(truth, 2))))
    assert found.verdict is Verdict.FAIL


def test_twelve_rows_are_inconclusive_and_say_how_many_it_takes() -> None:
    """Too few rows prove nothing in either direction, even if no row is lost."""
    truth = CLASSES * 4
    found = Quality(LIMITS.quality).judge(evidence(compared(truth, truth, truth)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "12 rows can show a loss within 22.1 points" in found.sentence
    assert "are needed" in found.sentence


def test_a_nearly_equal_on_twelve_rows_is_not_promoted(tmp_path: Path) -> None:
    """What passes on 2,000 rows is inconclusive where 12 are left out, and no gate fails it."""
    table = table_of(100, 1)
    left_out = held_out(table)
    world = world_of(tmp_path, table.part(~left_out | (left_out.cumsum() <= 12)))
    promote(world.work(), Request(world.register(), accept_inconclusive="the first"))
    report = examine_version(world.work(), world.register(tilt=0.2))
    assert verdicts(report)["quality"] is Verdict.INCONCLUSIVE
    assert report.verdict is Verdict.INCONCLUSIVE, gate_table(report)
    with pytest.raises(GatesInconclusive, match="quality"):
        promote(world.work(), Request(2))


def test_the_same_answers_everywhere_pass_on_any_number_of_rows() -> None:
    """Two files of one function need no statistics."""
    rows = compared(CLASSES, CLASSES, CLASSES, same_everywhere=True)
    assert Quality(LIMITS.quality).judge(evidence(rows)).verdict is Verdict.PASS


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_more_lost_rows_never_help(first: int, second: int) -> None:
    """The verdict gets no better when rows that were right become wrong."""
    truth = [label for label in CLASSES for _ in range(20)]
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    found = [
        order.index(
            Quality(LIMITS.quality)
            .judge(evidence(compared(truth, with_wrong(truth, wrong), truth)))
            .verdict
        )
        for wrong in sorted((first, second))
    ]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("rows", "wrong", "verdict"),
    [(60, 2, Verdict.PASS), (12, 0, Verdict.INCONCLUSIVE), (60, 40, Verdict.FAIL)],
)
def test_without_a_champion_the_floor_decides(rows: int, wrong: int, verdict: Verdict) -> None:
    """The bound of the accuracy is held against the floor, not the accuracy itself."""
    truth = [CLASSES[i % 3] for i in range(rows)]
    found = Quality(LIMITS.quality).judge(evidence(compared(truth, with_wrong(truth, wrong), None)))
    assert found.verdict is verdict


def test_rows_that_the_candidate_may_know_never_pass() -> None:
    """What a model may have been trained on proves nothing for it, and still something against."""
    truth = [label for label in CLASSES for _ in range(20)]
    good = compared(truth, truth, truth, candidate_may_know=True)
    bad = compared(truth, with_wrong(truth, 50), truth, candidate_may_know=True)
    gate = Quality(LIMITS.quality)
    assert gate.judge(evidence(good)).verdict is Verdict.INCONCLUSIVE
    assert gate.judge(evidence(bad)).verdict is Verdict.FAIL


def test_rows_that_the_champion_may_know_never_fail_the_candidate() -> None:
    """A champion that was trained on the rows is better on them than it is."""
    truth = [label for label in CLASSES for _ in range(20)]
    rows = compared(truth, with_wrong(truth, 30), truth, champion_may_know=True)
    assert Quality(LIMITS.quality).judge(evidence(rows)).verdict is Verdict.INCONCLUSIVE


def test_a_class_that_is_lost_fails_recall_and_is_named() -> None:
    """One class of three may fall while the whole looks well."""
    truth = [label for label in CLASSES for _ in range(20)]
    said = ["b" if label == "a" else label for label in truth]
    found = Recall(LIMITS.recall).judge(evidence(compared(truth, said, truth)))
    assert found.verdict is Verdict.FAIL
    assert "a loses" in found.sentence


def test_recall_says_what_it_could_not_have_seen() -> None:
    """No evidence of loss is no evidence of none."""
    truth = [label for label in CLASSES for _ in range(20)]
    found = Recall(LIMITS.recall).judge(evidence(compared(truth, truth, truth)))
    assert found.verdict is Verdict.PASS
    assert "could not have been seen" in found.sentence


@pytest.mark.parametrize(
    ("said", "before", "sentence", "measured"),
    [
        (0, 0, "it loses 4.9 points to the champion at most", "from 4.9 points better to 4.9"),
        (0, 30, "it is better than the champion by 38.7", "won of 60: from 38.7"),
        (12, 0, "it is from 11.9 points to 30.4 points worse", "0 won of 60: from 11.9"),
        (
            40,
            0,
            "it is right on 44.6% of rows at most",
            "20 of 60 rows: 23.3% to 44.6%",
        ),
    ],
)
def test_quality_says_a_gain_as_a_gain_and_both_bounds(
    said: int, before: int, sentence: str, measured: str
) -> None:
    """No loss of less than nothing; what the sentence names stands in the table too."""
    truth = [label for label in CLASSES for _ in range(20)]
    rows = compared(truth, with_wrong(truth, said), with_wrong(truth, before))
    found = Quality(LIMITS.quality).judge(evidence(rows))
    assert found.sentence.startswith(sentence)
    assert measured in found.measured


def test_recall_says_that_a_loss_within_its_bounds_may_be_chance() -> None:
    """A class that lost rows and still passes is told with both bounds, not with the loss alone."""
    truth = [label for label in CLASSES for _ in range(20)]
    said = ["b", "b", "b", *truth[3:]]
    found = Recall(LIMITS.recall).judge(evidence(compared(truth, said, truth)))
    assert found.verdict is Verdict.PASS
    assert "a lost 15.0 points in these rows, perhaps by chance" in found.sentence
    assert found.measured.startswith("worst: a, from ")
    assert found.wanted == "no class shown to lose more than 5.0 points"


def said_by(**verdicts: Verdict) -> Report:
    """Return a report of version 2 in which gates gave these verdicts."""
    old = msgspec.json.decode(OLD, type=Report)
    found = [Finding(gate, verdict, "") for gate, verdict in verdicts.items()]
    return msgspec.structs.replace(old, findings=found)


UNSURE = Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("report", "change", "line"),
    [
        (said_by(quality=Verdict.PASS), "", "version 2 passes: iris promote 2"),
        (
            said_by(quality=Verdict.PASS),
            "they know",
            "version 2 passes: iris promote 2 --allow-contract-change 'they know'",
        ),
        (
            said_by(quality=UNSURE, contract=Verdict.PASS, recall=UNSURE),
            "",
            (
                "version 2 is inconclusive (quality, recall); to go on all the same: "
                'iris promote 2 --accept-inconclusive "…"'
            ),
        ),
        (
            said_by(quality=Verdict.FAIL, recall=UNSURE),
            "",
            (
                "version 2 fails (quality): train a better one; to go on all the same: "
                'iris promote 2 --force "…"'
            ),
        ),
        (
            said_by(contract=Verdict.FAIL, recall=UNSURE),
            "",
            (
                "version 2 fails (contract); to let it: "
                'iris promote 2 --allow-contract-change "…" --accept-inconclusive "…"'
            ),
        ),
        (
            said_by(integrity=Verdict.FAIL),
            "",
            (
                "version 2 fails (integrity): nobody may overrule integrity; train or register "
                "another: iris train"
            ),
        ),
    ],
)
def test_the_gates_end_with_one_verdict_and_the_next_command(
    report: Report, change: str, line: str
) -> None:
    """Nobody has to work out from seven lines what may be done."""
    assert gate_verdict(report, change) == line


def test_the_gates_say_of_what_serves_that_it_does(world: World) -> None:
    """There is nothing to promote."""
    promote(world.work(), Request(world.register()))
    assert gate_verdict(examine_version(world.work(), 1)) == "version 1 passes: it is what serves"


def test_probabilities_that_are_too_sure_fail_calibration() -> None:
    """The same labels with worse probabilities are a loss."""
    truth = [CLASSES[i % 3] for i in range(600)]
    said = with_wrong(truth, 150)
    rows = Compared("d" * 64, truth, answers(said, 1.0), answers(said, 0.75), False, False, False)
    assert Calibration(LIMITS.calibration).judge(evidence(rows)).verdict is Verdict.FAIL
    same = Compared("d" * 64, truth, answers(said), answers(said), False, False, False)
    assert Calibration(LIMITS.calibration).judge(evidence(same)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("cost", "verdict"),
    [
        (Cost(0.5, 1.5, 5_000, 0.01), Verdict.PASS),  # 50 times as slow, and nobody notices
        (Cost(5.0, 5.5, 5_000, 0.01), Verdict.FAIL),
        (Cost(0.01, 60.0, 5_000, 0.01), Verdict.FAIL),
        (Cost(0.01, 0.02, 50_000_000, 0.01), Verdict.FAIL),
        (Cost(0.01, 0.02, 5_000, 9.0), Verdict.FAIL),
    ],
)
def test_a_cost_is_too_high_by_ratio_and_floor_together(cost: Cost, verdict: Verdict) -> None:
    """A ratio of microseconds is noise; a limit holds by itself."""
    found = Budget(LIMITS.budget).judge(evidence(None, cost=cost))
    assert found.verdict is verdict, found


def test_features_in_another_order_are_matched_by_name(world: World) -> None:
    """The contract changes, which has to be allowed; what is compared is the same column."""
    promote(world.work(), Request(world.register()))
    names = (*FEATURES[1:], FEATURES[0])
    features = [Feature(n, "cm", 0.1, 8.0, Histogram([0.1, 8.0], [150])) for n in names]
    number = world.register(features=features)
    assert verdicts(examine_version(world.work(), number))["contract"] is Verdict.FAIL
    report = examine_version(world.work(), number, "clients were told")
    assert verdicts(report)["contract"] is Verdict.PASS
    assert verdicts(report)["quality"] is Verdict.FAIL  # its columns were swapped under it


def test_a_parity_that_was_missed_fails_and_nobody_may_force_it(world: World) -> None:
    """Integrity is no matter of opinion."""
    number = world.register(parity=Parity(0, 0, 0.0))
    with pytest.raises(GatesFailed, match="never compared"):
        promote(world.work(), Request(number, force="I know"))


def test_another_file_under_the_release_name_fails_integrity(world: World) -> None:
    """What is published is what was registered, or nothing is promoted."""
    number = world.register()
    world.work().store.models.create(f"iris-classifier/v{number}/model.onnx", b"other")
    with pytest.raises(GatesFailed, match="another file is published"):
        promote(world.work(), Request(number, force="I know"))


def test_a_forced_promotion_says_so_in_the_ledger(world: World) -> None:
    """Who overrules a gate gives a reason, which stands where everybody looks."""
    promote(world.work(), Request(world.register()))
    promote(world.work(), Request(world.register(tilt=50.0), force="a rehearsal"))
    chain = world.work().ledger.read()
    intent = chain.operations[-1].intent
    assert (intent.forced, intent.accepted, intent.reason) == ("a rehearsal", "", "")
    screen = operation_screen(world.work().store, chain, chain.operations[-1].number)
    assert "forced: a rehearsal" in screen


def test_a_force_that_was_not_needed_is_not_recorded(world: World) -> None:
    """The ledger does not tell of a gate that was overruled where none was."""
    promote(world.work(), Request(world.register(), force="to be sure"))
    assert world.work().ledger.read().operations[-1].intent.forced == ""


def test_the_report_counts_what_its_rows_have_judged(world: World) -> None:
    """Rows that have judged many versions pass one by luck; the same version counts once."""
    first, second = world.register(), world.register(tilt=0.01)
    assert examine_version(world.work(), first).judged_before == 0
    assert examine_version(world.work(), first).judged_before == 0
    assert examine_version(world.work(), second).judged_before == 1


def test_versions_that_are_judged_at_once_are_told_of_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two at least, wherever the one is when the other is examined."""
    first, second = world.register(), world.register(tilt=0.01)
    work, meanwhile = world.work(), list[Report]()
    create = work.store.records.create

    def create_after_the_other(name: str, data: bytes) -> bool:
        if name.startswith("judged/"):
            meanwhile.append(examine_version(world.work(), second))
        return create(name, data)

    monkeypatch.setattr(work.store.records, "create", create_after_the_other)
    report = examine_version(work, first)
    assert report.judged_before + meanwhile[0].judged_before >= 1


def test_what_is_kept_is_what_is_told(world: World) -> None:
    """Whoever reads the report later finds the count that was on the screen."""
    first, second = world.register(), world.register(tilt=0.01)
    work = world.work()
    chain, candidate = work.ledger.read(), work.versions.candidate(first)
    report = examine(work, chain, candidate, work.versions.release_file(candidate))
    examine_version(world.work(), second)
    kept, digest = keep(work, candidate, report)
    assert kept.judged_before == 1
    stored = work.store.records.read(f"gates/{digest}.json")
    assert msgspec.json.decode(stored, type=Report) == kept


def test_who_dies_has_judged_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note comes before the report: whoever could read that counts."""
    first, second = world.register(), world.register(tilt=0.01)
    work = world.work()
    create = work.store.records.create

    def create_and_die(name: str, data: bytes) -> bool:
        created = create(name, data)
        if name.startswith("gates/"):
            raise Crash(name)
        return created

    monkeypatch.setattr(work.store.records, "create", create_and_die)
    with pytest.raises(Crash):
        examine_version(work, first)
    assert examine_version(world.work(), second).judged_before == 1


def test_the_report_is_shown_in_mlflow(world: World) -> None:
    """Page, JSON and a tag with verdict and digest are at the version."""
    number = world.register()
    report = examine_version(world.work(), number)
    files = world.versions.attached[number]
    assert set(files) == {"gates/local/report.json", "gates/local/report.html"}
    tag = world.versions.version_tags[number]["iris.gates.local"]
    verdict, _, digest = tag.rpartition(" ")
    assert verdict == report.verdict.value
    assert (
        world.work().store.records.read(f"gates/{digest}.json") == files["gates/local/report.json"]
    )


def test_evidence_outlives_an_mlflow_that_goes_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report lies in the store before MLflow is asked, and it is told that it is not there."""

    def down(*_: object) -> None:
        raise RegistryUnavailable("MLflow is down")

    monkeypatch.setattr(world.versions, "attach", down)
    examine_version(world.work(), world.register())
    assert len(world.work().store.records.list("gates/")) == 1
    assert any("MLflow does not show it" in words for words in world.told.words)


def serve(world: World, count: int, at: dt.datetime, features: list[str] | None = None) -> None:
    """Keep requests as a gateway does: flowers that version 1 answered."""
    release = world.target.state.release
    assert release is not None
    assert release.sha256 is not None
    rows = table_of(count, 5).rows
    names = list(FEATURES) if features is None else features
    answered = probabilities(rows)
    batch = ServedBatch(
        version="1",
        sha256=release.sha256,
        features=names,
        labels=list(LABELS),
        requests=[
            Served(at, [row.tolist()], [p.tolist()]) for row, p in zip(rows, answered, strict=True)
        ],
    )
    world.work().store.replay.create(batch_name("local", release.sha256, at), encode(batch))


@pytest.mark.parametrize(
    ("tilt", "count", "days", "verdict"),
    [
        (0.01, 200, 1, Verdict.PASS),
        (50.0, 200, 1, Verdict.FAIL),
        (0.01, 99, 1, Verdict.NOT_APPLICABLE),
        (0.01, 200, 90, Verdict.INCONCLUSIVE),
    ],
)
def test_what_was_served_is_sent_through_the_challenger(
    world: World, tilt: float, count: int, days: int, verdict: Verdict
) -> None:
    """Changed answers are bounded; too few requests say nothing, too old ones too little."""
    promote(world.work(), Request(world.register()))
    serve(world, count, dt.datetime.now(dt.UTC) - dt.timedelta(days=days))
    report = examine_version(world.work(), world.register(tilt=tilt))
    assert verdicts(report)["replay"] is verdict, gate_table(report)


def test_nothing_kept_is_not_applicable_and_does_not_block(world: World) -> None:
    """Recording may be off."""
    promote(world.work(), Request(world.register()))
    report = examine_version(world.work(), world.register(tilt=0.01))
    assert verdicts(report)["replay"] is Verdict.NOT_APPLICABLE
    assert report.verdict is Verdict.PASS


def test_damaged_batches_are_skipped_and_counted(world: World) -> None:
    """One torn batch takes nothing from the others, whatever is in it."""
    promote(world.work(), Request(world.register()))
    now = dt.datetime.now(dt.UTC)
    serve(world, 200, now)
    serve(world, 5, now, features=["one"])
    release = world.target.state.release
    assert release is not None
    assert release.sha256 is not None
    world.work().store.replay.create(batch_name("local", release.sha256, now), b"{torn")
    report = examine_version(world.work(), world.register(tilt=0.01))
    (found,) = [f for f in report.findings if f.gate == "replay"]
    assert found.verdict is Verdict.PASS
    assert "1 damaged batches were skipped" in found.sentence
    assert "1 batches lack features" in found.sentence


def test_a_report_of_yesterday_is_read() -> None:
    """What was written before the newer fields came stays readable, and can be shown."""
    report = msgspec.json.decode(OLD, type=Report)
    assert report.verdict is Verdict.PASS
    assert report.findings == [Finding("quality", Verdict.PASS, "right")]
    assert "quality" in gate_table(report)
    assert "quality" in page(report, "d" * 64)


def test_the_page_holds_no_script_and_escapes_what_it_shows(world: World) -> None:
    """Labels come from data, and MLflow's pages show the file."""
    number = world.register(labels=["<script>alert(1)</script>", "versicolor", "virginica"])
    report = examine_version(world.work(), number)
    shown = page(report, "d" * 64)
    assert "<script" not in shown
    assert "<svg" in shown
    assert "http" not in shown.replace("http://www.w3.org/2000/svg", "")


def test_a_file_of_thresholds_holds_only_what_differs(tmp_path: Path) -> None:
    """The others keep their defaults."""
    file = tmp_path / "gates.toml"
    file.write_text("[quality]\nmargin = 0.02\n")
    found = load_thresholds(RegistrySettings(iris_gates_file=str(file)))
    assert found.quality.margin == 0.02
    assert found.quality.confidence == LIMITS.quality.confidence
    assert found.watch == LIMITS.watch


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[quality]\nmargn = 0.02\n", "margn"),
        ("[qualty]\nmargin = 0.02\n", "qualty"),
        ('[quality]\nmargin = "a"\n', "quality.margin"),
        ("[quality]\nmargin = 1.5\n", "quality.margin"),
        ("quality = 3\n", "quality"),
        ("[quality", "IRIS_GATES_FILE"),
        ('own_gates = ["nowhere"]', "own_gates"),
    ],
)
def test_a_file_of_thresholds_that_is_wrong_is_refused_by_name(
    tmp_path: Path, text: str, named: str
) -> None:
    """A misspelt key is never dropped in silence."""
    file = tmp_path / "gates.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=named) as raised:
        read_thresholds(file)
    assert "\n" not in raised.value.message


class Freshness:
    """A gate of a project's own: data must be known."""

    name = "freshness"

    def judge(self, evidence: Evidence) -> Finding:
        known = evidence.candidate.card.data_sha256 is not None
        verdict = Verdict.PASS if known else Verdict.FAIL
        return Finding(self.name, verdict, "its data is known" if known else "whose data is it?")


class Broken(Freshness):
    """A gate with a mistake in it."""

    name = "broken"

    def judge(self, evidence: Evidence) -> Finding:
        raise KeyError("oops \udce9")


class Mute(Freshness):
    """A gate that raises what can't be said."""

    name = "mute"

    class Wordless(Exception):
        """An exception with a mistake in it."""

        def __str__(self) -> str:
            raise AttributeError("words")

    def judge(self, evidence: Evidence) -> Finding:
        raise self.Wordless


class Leaving(Freshness):
    """A gate that would end the program."""

    name = "leaving"

    def judge(self, evidence: Evidence) -> Finding:
        sys.exit(3)


class Unmade(Freshness):
    """A gate that would end the program as soon as it is made."""

    def __init__(self) -> None:
        sys.exit(3)


class Accuracy(Freshness):
    """The most natural gate: a mean of what the evidence holds, and a limit."""

    name = "accuracy"

    def judge(self, evidence: Evidence) -> Finding:
        assert evidence.rows is not None
        right = np.mean(evidence.rows.right)
        measure = Measure("accuracy", np.float32(0.5), right, np.int64(1))  # type: ignore[arg-type]
        verdict = Verdict.PASS if right > 0 else Verdict.FAIL
        return Finding(self.name, verdict, np.str_(f"{right:.0%}"), measures=[measure])


class Odd(Freshness):
    """A gate whose finding is not what it should be, in the way that a test says."""

    name = "odd"
    says: ClassVar[dict[str, Any]] = {}

    def judge(self, evidence: Evidence) -> Finding:
        return Finding(**{"gate": "another", "verdict": Verdict.PASS, "sentence": "", **self.says})


@pytest.mark.parametrize(
    "says",
    [
        {"verdict": "pass!"},
        {"sentence": 3},
        {"sentence": "\udce9"},
        {"measures": [Measure("loss", 0.0, float("nan"), 1.0)]},
        {"measures": [Measure("loss", 0.0, 0.5, float("inf"))]},
        {"measures": [Measure("loss", "none", 0.5, 1.0)]},  # type: ignore[arg-type]
        {"measures": [Measure("loss", 0.0, np.float64("nan"), 1.0)]},
        {"measures": [Measure("loss", 0.0, np.longdouble(0.5), 1.0)]},  # type: ignore[arg-type]
        {"measures": np.zeros(3)},
        {"listings": "none"},
    ],
    ids=repr,
)
def test_a_finding_that_no_report_can_hold_lets_nothing_pass(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: dict[str, Any]
) -> None:
    """It is told as inconclusive, under the name of its gate; the report can be kept and read."""
    monkeypatch.setattr(Odd, "says", says)
    file = tmp_path / "gates.toml"
    file.write_text(f'own_gates = ["{__name__}:Odd"]\n')
    work = world.work(iris_gates_file=str(file))
    report = examine_version(work, world.register())
    assert report.findings[-1].gate == "odd"
    assert report.findings[-1].verdict is Verdict.INCONCLUSIVE
    assert "no report can hold" in report.findings[-1].sentence
    (name,) = work.store.records.list("gates/")
    assert msgspec.json.decode(work.store.records.read(name), type=Report) == report


def test_a_finding_bears_the_name_of_its_gate(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No gate answers in another's name; a verdict may be given as its text."""
    monkeypatch.setattr(Odd, "says", {"verdict": "pass"})
    file = tmp_path / "gates.toml"
    file.write_text(f'own_gates = ["{__name__}:Odd"]\n')
    report = examine_version(world.work(iris_gates_file=str(file)), world.register())
    assert verdicts(report)["odd"] is Verdict.PASS
    assert "another" not in verdicts(report)


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        ("Freshness", Verdict.PASS),
        ("Accuracy", Verdict.PASS),
        ("Broken", Verdict.INCONCLUSIVE),
        ("Mute", Verdict.INCONCLUSIVE),
        ("Leaving", Verdict.INCONCLUSIVE),
    ],
)
def test_a_gate_of_ones_own_is_asked_with_the_others(
    world: World, tmp_path: Path, gate: str, verdict: Verdict
) -> None:
    """A class named in the file; one that raises lets nothing pass, and is told."""
    file = tmp_path / "gates.toml"
    file.write_text(f'own_gates = ["{__name__}:{gate}"]\n')
    work = world.work(iris_gates_file=str(file))
    report = examine_version(work, world.register())
    assert verdicts(report)[gate.lower()] is verdict
    assert report.verdict is verdict


@pytest.mark.parametrize("place", ["nowhere.at.all:Gate", f"{__name__}:Unmade"])
def test_a_gate_that_cannot_be_made_is_told_before_anything_is_asked(
    world: World, tmp_path: Path, place: str
) -> None:
    """A misspelt class is no gate that passes."""
    file = tmp_path / "gates.toml"
    file.write_text(f'own_gates = ["{place}"]\n')
    with pytest.raises(SettingsError, match=re.escape(place)):
        examine_version(world.work(iris_gates_file=str(file)), world.register())
