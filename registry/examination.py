"""The examination of a version: gather the evidence, ask the gates, keep what they said."""

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import BlobNotFound, InvalidBlobName, ModelFileError
from artifacts.model import Model, load_model
from artifacts.release import Release, registry_release
from artifacts.replay import ServedBatch, batch_prefix, decode
from artifacts.store import BlobStore
from registry.chain import Chain
from registry.errors import RegistryUnavailable, VersionUnfit
from registry.gates import Finding, Report, Verdict, judge, panel
from registry.gates.evidence import (
    Answers,
    Compared,
    Evidence,
    Served,
    ServedRequest,
    answer,
    compare,
    costs,
    fits,
)
from registry.gates.page import page
from registry.workspace import Workspace, gates_tag, registry_number
from training.evaluation import Table, read_table

if TYPE_CHECKING:
    from registry.versions import Candidate


def examine_version(work: Workspace, number: int, contract_change: str = "") -> Report:
    """Ask the gates about a version, without promoting it, and keep the report.

    Raises:
        VersionUnfit, LedgerForeign, LedgerDamaged, RegistryUnavailable, StoreError: it can't be
            asked.
    """
    chain = work.ledger.read()
    candidate = work.versions.candidate(number)
    work.check_registry(chain)
    file = work.versions.release_file(candidate)
    report = examine(work, chain, candidate, file, contract_change)
    return keep(work, candidate, report)[0]


def examine(
    work: Workspace, chain: Chain, candidate: "Candidate", file: bytes, contract_change: str = ""
) -> Report:
    """Gather the evidence and ask the gates. A file that is not whole is asked no further.

    Args:
        work: what the command works on.
        chain: the ledger, which names the champion.
        candidate: the version.
        file: its release file, as MLflow holds it now.
        contract_change: why clients may see another contract; empty: they may not.

    Raises:
        SettingsError: the file of thresholds is not valid.
        StoreError, ModelFileError: the champion's file can't be read.
    """
    gates = panel(work.thresholds)
    rows, judged_before, other_data = None, 0, ""
    try:
        model = load_model(file, candidate.sha256)
        model.check_golden()
    except ModelFileError as error:
        findings = [Finding("integrity", Verdict.FAIL, error.message)]
    else:
        evidence = _gather(work, chain, candidate, (model, file), contract_change)
        findings = judge(evidence, gates)
        rows = evidence.rows.sha256 if evidence.rows else None
        judged_before = _count_judged(work, rows, candidate.sha256)
        other_data = _other_data(evidence)
    return Report(
        version=candidate.number,
        release=registry_release(candidate.number, candidate.sha256),
        champion=chain.serving,
        head=chain.head,
        findings=findings,
        rows_sha256=rows,
        judged_before=judged_before,
        other_data=other_data,
    )


def keep(work: Workspace, candidate: "Candidate", report: Report) -> tuple[Report, str]:
    """Keep the report under its digest, then show it in MLflow, where MLflow answers.

    Which rows have judged the version is noted before that, and before it is counted how many
    others they have: of two that are examined at once, one at least is told of the other.

    Returns:
        The report as it is kept, and its digest.

    Raises:
        StoreError: the store did not take it.
    """
    if rows := report.rows_sha256:
        work.store.records.create(_judged(rows, candidate.sha256), b"{}\n")
        count = _count_judged(work, rows, candidate.sha256)
        report = msgspec.structs.replace(report, judged_before=count)
    data = msgspec.json.format(msgspec.json.encode(report), indent=2)
    digest = sha256_hex(data)
    work.store.records.create(f"gates/{digest}.json", data)
    environment = work.settings.iris_env
    try:
        work.versions.attach(
            candidate,
            f"gates/{environment}",
            {"report.json": data, "report.html": page(report, digest).encode()},
            {gates_tag(environment): f"{report.verdict.value} {digest}"},
        )
    except (RegistryUnavailable, VersionUnfit) as error:
        work.told(f"the gate report is kept, but MLflow does not show it: {error.message}")
    return report, digest


def _gather(
    work: Workspace,
    chain: Chain,
    candidate: "Candidate",
    loaded: tuple[Model, bytes],
    contract_change: str,
) -> Evidence:
    model, release = loaded[0], registry_release(candidate.number, candidate.sha256)
    data = work.store.models.read(chain.serving.blob) if chain.serving else None
    champion = load_model(data, chain.serving.sha256) if data and chain.serving else None
    cost, champion_cost = costs(loaded, (champion, data) if champion and data else None)
    serving = (champion, chain.serving) if champion and chain.serving else None
    compared = _compared(work, candidate, model, serving)
    return Evidence(
        candidate=model,
        champion=champion,
        registered=candidate.sha256,
        published=_published(work.store.models, release.blob),
        cost=cost,
        champion_cost=champion_cost,
        rows=compared.rows,
        champion_rows=compared.of_champion,
        champion_rows_missing=compared.missing,
        served=_served(work, model, champion) if champion else None,
        contract_change=contract_change,
    )


def _published(models: BlobStore, blob: str) -> str | None:
    try:
        return sha256_hex(models.read(blob))
    except BlobNotFound:
        return None


class _ComparedOnData(NamedTuple):
    """What `Evidence` says of the rows: its three fields."""

    rows: Compared | None
    of_champion: Compared | None = None
    missing: str = ""


def _compared(
    work: Workspace, candidate: "Candidate", model: Model, serving: tuple[Model, Release] | None
) -> _ComparedOnData:
    """Compare on the candidate's data, or what it was measured on, and on the champion's.

    The candidate's data alone would let pass what was trained on wrong labels: its own rows have
    them too, and it is the champion that is wrong on those.
    """
    records, champion = work.store.records, serving[0] if serving else None
    theirs = _data_of(work, *serving) if serving else None
    known = [model.card.data_sha256, candidate.tags.get(REFERENCE), theirs]
    tables = (_table(records, digest) for digest in known if digest)
    found = next((table for table in tables if table is not None), None)
    rows = None if found is None else compare(model, champion, found)
    if found is None or champion is None or found.sha256 == theirs:
        return _ComparedOnData(rows)
    if theirs is None:
        return _ComparedOnData(rows, missing="the champion's data is not known, and may be another")
    table, name = _table(records, theirs), f"the champion's data, {theirs[:12]}…, is another"
    if table is None:
        return _ComparedOnData(rows, missing=f"{name}, and gone from the store")
    of_champion = compare(model, champion, table)
    if of_champion is None:
        lacking = f"{name}, and lacks features that it needs, or leaves no row out"
        return _ComparedOnData(rows, missing=lacking)
    return _ComparedOnData(rows, of_champion)


REFERENCE = "iris.reference_sha256"
"""The tag that names what a version was measured on of which the training data is not known."""


def _data_of(work: Workspace, champion: Model, release: Release) -> str | None:
    """Return the digest of the data that the champion was trained or measured on, where known."""
    number = registry_number(release)
    if champion.card.data_sha256 or number is None:
        return champion.card.data_sha256
    try:
        return work.versions.candidate(number).tags.get(REFERENCE)
    except VersionUnfit:  # it was deleted since
        return None


def _other_data(evidence: Evidence) -> str:
    """Say that the candidate's data is not the champion's, and which of them judge."""
    own, rows = evidence.candidate.card.data_sha256, evidence.rows
    if evidence.champion_rows:
        name = f"{evidence.champion_rows.sha256[:12]}…"
        return f"The champion has other data, {name}, which judges too: the worse verdict holds."
    if evidence.champion_rows_missing:
        return f"Only its own data judges: {evidence.champion_rows_missing}."
    if rows and own and own != rows.sha256:
        return f"Its own data, {own[:12]}…, is gone from the store: the rows are the champion's."
    return ""


def _table(records: BlobStore, digest: str) -> Table | None:
    """Return the data of a digest, if what lies there has it."""
    try:
        data = records.read(f"data/{digest}.csv")
    except (BlobNotFound, InvalidBlobName):
        return None
    return read_table(data) if sha256_hex(data) == digest else None


def _count_judged(work: Workspace, rows: str | None, sha256: str) -> int:
    """Count the other files that these rows have judged."""
    if rows is None:
        return 0
    return len({*work.store.records.list(f"judged/{rows}/")} - {_judged(rows, sha256)})


def _judged(rows: str, sha256: str) -> str:
    """Return the name of the note that these rows have judged that file."""
    return f"judged/{rows}/{sha256}"


def _served(work: Workspace, model: Model, champion: Model) -> Served | None:
    """Read what the champion served, the youngest batches first, and ask the candidate."""
    most = work.thresholds.replay.most_requests
    store = work.store.replay
    names = store.list(batch_prefix(work.settings.iris_env, champion.sha256))
    requests: list[ServedRequest] = []
    features = [feature.name for feature in champion.card.features]
    damaged = foreign = 0
    for name in reversed(names):
        if len(requests) >= most:
            break
        try:
            batch = decode(store.read(name))
            if not fits(model, batch.features):
                foreign += 1
                continue
            found = _asked(model, batch, features)
        except BlobNotFound:  # the oldest are deleted, this one since it was listed
            continue
        except (ValueError, IndexError):  # no batch, or rows and answers of other shapes
            damaged += 1
            continue
        requests.extend(found)
    if not names:
        return None
    youngest = sorted(requests, key=lambda request: request.at, reverse=True)[:most]
    return Served(youngest, features, dt.datetime.now(dt.UTC), damaged, foreign)


def _asked(model: Model, batch: ServedBatch, features: list[str]) -> list[ServedRequest]:
    """Ask the candidate for a batch, all of its rows at once.

    Raises:
        ValueError, IndexError: the batch does not fit together.
    """
    import numpy as np

    if batch.sha256 == "" or not batch.requests:
        return []
    sizes = [len(request.rows) for request in batch.requests]
    rows = np.array([row for r in batch.requests for row in r.rows], dtype=np.float64)
    before = np.array([p for r in batch.requests for p in r.probabilities], dtype=np.float64)
    if rows.shape != (sum(sizes), len(batch.features)) or not np.isfinite(rows).all():
        raise ValueError(rows.shape)
    if before.shape != (len(rows), len(batch.labels)) or not all(sizes):
        raise ValueError(before.shape)
    after = answer(model, rows, batch.features)
    ordered = rows[:, [batch.features.index(name) for name in features]]
    ends = np.cumsum(sizes)
    return [
        ServedRequest(
            request.at if request.at.tzinfo else request.at.replace(tzinfo=dt.UTC),
            ordered[end - size : end],
            Answers(before[end - size : end], batch.labels),
            Answers(after.probabilities[end - size : end], after.classes),
        )
        for request, size, end in zip(batch.requests, sizes, ends, strict=True)
    ]
