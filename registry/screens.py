"""What the registry's commands show to people. Plain text; `--json` is for programs."""

import datetime as dt
import shlex
from typing import TYPE_CHECKING

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import BlobNotFound
from artifacts.release import Release
from artifacts.store import Store
from registry.chain import Chain, Operation
from registry.gates import Report, Verdict
from registry.gates.page import rows_told
from registry.records import (
    Body,
    Continuation,
    Genesis,
    Intent,
    Outcome,
    Record,
    Step,
    Takeover,
    epoch_of,
)
from registry.status import Status, Trouble
from registry.why import Why

if TYPE_CHECKING:
    from registry.continuation import Continued
    from registry.rebuild import Rebuilt
    from registry.restore import Restored


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return rows under a header, in columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["─" * width for width in widths], *rows]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(c.ljust(w) for c, w in line).rstrip() for line in padded)


def gate_table(report: Report) -> str:
    """Return what the gates said: a line each, and below it why, in words."""
    lines = table(
        ["gate", "verdict", "measured", "wanted"],
        [[f.gate, f.verdict.value, f.measured, f.wanted] for f in report.findings],
    )
    why = [f"{f.gate}: {f.sentence}" for f in report.findings]
    return "\n".join([lines, "", *why, rows_told(report)])


def gate_verdict(report: Report, contract_change: str = "") -> str:
    """Return what the gates say together, and what goes on from there.

    Args:
        report: what they said.
        contract_change: why clients may see another contract, as they were told.
    """
    version, verdict = f"version {report.version}", report.verdict
    gates = [f.gate for f in report.findings if f.verdict is verdict]
    unsure = any(f.verdict is Verdict.INCONCLUSIVE for f in report.findings)
    promote = f"iris promote {report.version}"
    if contract_change:
        promote += f" --allow-contract-change {shlex.quote(contract_change)}"
    if verdict is Verdict.PASS:
        serves = report.release == report.champion
        return f"{version} passes: {'it is what serves' if serves else promote}"
    if verdict is Verdict.INCONCLUSIVE:
        said = f"{version} is inconclusive ({', '.join(gates)})"
        return f'{said}; to go on all the same: {promote} --accept-inconclusive "…"'
    said = f"{version} fails ({', '.join(gates)})"
    if not report.whole:
        return f"{said}: nobody may overrule integrity; train or register another: iris train"
    if gates == ["contract"]:
        accept = ' --accept-inconclusive "…"' if unsure else ""
        return f'{said}; to let it: {promote} --allow-contract-change "…"{accept}'
    return f'{said}: train a better one; to go on all the same: {promote} --force "…"'


def status_screen(status: Status) -> str:
    """Return the whole picture on one screen."""
    registered, released = status.registered, "nothing"
    if status.release:
        released = f"{status.release}, since {when(status.since)}, by {status.by}"
        released += f", because: {status.reason}" if status.reason else ""
    versions = "MLflow does not answer"
    if registered:
        numbers = ", ".join(map(str, registered.versions)) or "none"
        versions = f"{numbers} (the alias names {registered.alias or 'none'})"
    lines = [
        f"environment  {status.environment}",
        *_serving(status, released),
        f"registered   {versions}",
        *(f"instance     {i.url}  {_instance(i.release, i.ready)}" for i in status.instances),
        *(f"in the way   {t.what}\n             → {t.action}" for t in status.troubles),
        f"next         {status.next}",
    ]
    return "\n".join(lines)


def _serving(status: Status, released: str) -> list[str]:
    """Return what serves by the instances' word and, where it is another, what was released."""
    found = {i.release for i in status.instances if i.ready and i.release}
    if found == ({status.release} if status.release else set()):
        return [f"serving      {released}"]
    serving = " and ".join(sorted(map(str, found))) or "nothing"
    unrecorded = ", not recorded yet" if found - {status.release} else ""
    return [f"serving      {serving}{unrecorded}", f"released     {released}"]


def troubles_list(troubles: list[Trouble]) -> str:
    """Return each way in which something is in the way, with what to do about it."""
    lines = [f"{trouble.what}\n  → {trouble.action}" for trouble in troubles]
    return "\n".join(lines) or "ledger, MLflow and what serves agree"


def history_table(chain: Chain) -> str:
    """Return every operation, the youngest first."""
    if not chain.operations:
        return "nothing was promoted yet"
    operations = table(
        ["#", "when (UTC)", "what", "from", "to", "ended", "by", "why"],
        [_row(o) for o in reversed(chain.operations)],
    )
    return "\n".join([operations, *(_epoch(record) for record in chain.continuations)])


def _epoch(record: Record) -> str:
    """Say where an epoch goes on, and why."""
    body = record.body
    assert isinstance(body, Continuation)
    return (
        f"epoch {epoch_of(record.number)} goes on from record {body.after} since "
        f"{when(record.at)}, after a {body.cause}, by {record.by.name}: {body.reason}"
    )


def operation_screen(store: Store, chain: Chain, number: int) -> str:
    """Return everything about one operation: its records, and what the gates said."""
    records = chain.of(number)
    lines = [
        f"{r.number:>5}  {when(r.at)}  {_sentence(r.body)}  ({r.by})\n"
        f"       {chain.digest(r.number)}"
        for r in records
    ]
    intent = records[0].body
    assert isinstance(intent, Intent)
    if intent.evidence:
        lines += ["", _evidence(store, intent.evidence)]
    return "\n".join(lines)


def why_screen(store: Store, found: Why) -> str:
    """Return in words why what serves was let."""
    brought, let = found.brought, found.let
    lines = [
        f"{brought.intent.to} serves since {when(brought.ended.at if brought.ended else None)}"
    ]
    lines += _told(brought)
    if let is None:
        lines += ["", "it was put in by hand, and no gate was asked"]
        return "\n".join(lines)
    if let is not brought:
        lines += ["", f"it was first promoted at {when(let.record.at)}", *_told(let)]
    if let.intent.evidence:
        lines += ["", _evidence(store, let.intent.evidence)]
    return "\n".join(lines)


def _told(operation: Operation) -> list[str]:
    """Return who began an operation and why, and what was seen of it."""
    intent, by, outcome = operation.intent, operation.record.by, operation.outcome
    vouched = "" if by.verified else ", by a name that nobody vouches for"
    lines = [f"by a {intent.operation} of {by}{vouched}: iris history {operation.number}"]
    lines += [f"because: {intent.why}"] if intent.why else ["no reason was given"]
    lines += [outcome.watched] if outcome and outcome.watched else []
    return lines


def rebuilt_screen(rebuilt: "Rebuilt") -> str:
    """Return what an MLflow that was lost has again, and what does not come back."""
    numbers = ", ".join(map(str, rebuilt.versions)) or "none"
    empty = [f"version {n} does not come back: {why}" for n, why in sorted(rebuilt.empty.items())]
    named = [
        f"the alias {alias} names {f'version {number}' if number else 'nothing'}"
        for alias, number in rebuilt.aliases.items()
    ]
    bound = f"MLflow is bound to the ledgers of {', '.join(rebuilt.environments)}"
    gone = (
        "what does not come back: runs with their parameters, metrics and figures; estimators; "
        "tags of training; versions that were never promoted"
    )
    return "\n".join([f"versions with their files: {numbers}", *empty, *named, bound, gone])


def restored_screen(restored: "Restored") -> str:
    """Return what became of a release's file."""
    if not restored.done:
        return f"the file of {restored.release} is there as it was released; nothing was changed"
    over = (
        f"; what lay there, sha256 {restored.replaced}, was replaced" if restored.replaced else ""
    )
    return f"the file of {restored.release} is back{over}"


def continued_screen(continued: "Continued") -> str:
    """Return where the ledger goes on, and what it could not be told of."""
    begun = f"epoch {continued.epoch} of the ledger goes on from record {continued.after}"
    lines = [
        f"{begun}, by which {continued.serving or 'nothing'} serves",
        f"left behind: {continued.void} records",
        *(f"the file of {release} is not there" for release in continued.missing),
        *(f"not stamped: {why}" for why in continued.not_stamped),
        "next: iris status",
    ]
    return "\n".join(lines)


def when(at: dt.datetime | None) -> str:
    """Return a moment to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _row(operation: Operation) -> list[str]:
    intent = operation.intent
    return [
        str(operation.number),
        when(operation.record.at),
        intent.operation.value,
        _version(intent.origin),
        _version(intent.to),
        _ended(operation),
        operation.record.by.name,
        intent.why,
    ]


def _ended(operation: Operation) -> str:
    if operation.superseded:
        return "superseded by a rollback"
    return operation.outcome.result.value if operation.outcome else "open"


def _version(release: Release | None) -> str:
    return release.version if release else "nothing"


def _instance(release: Release | None, ready: bool) -> str:
    return f"{release or 'does not answer'}{'' if ready else ', not ready'}"


def _sentence(body: Body) -> str:
    match body:
        case Genesis():
            return f"the ledger {body.ledger} of {body.target} begins"
        case Intent():
            why = f": {body.why}" if body.why else ""
            return f"{body.operation} from {body.origin or 'nothing'} to {body.to}{why}"
        case Step():
            return f"next: {body.effect}"
        case Takeover():
            return f"taken over: {body.reason}"
        case Outcome():
            why = f": {body.explanation}" if body.explanation else ""
            watched = f"; {body.watched}" if body.watched else ""
            return f"ended, {body.result}; alias {body.alias}{why}{watched}"
        case _:
            return "the alias, which was pending, has been moved"


def _evidence(store: Store, digest: str) -> str:
    try:
        data = store.records.read(f"gates/{digest}.json")
    except BlobNotFound:
        return f"the gate report {digest} is gone"
    if sha256_hex(data) != digest:
        return f"the gate report {digest} is not what it was: somebody has changed it"
    return f"gate report {digest}\n{gate_table(msgspec.json.decode(data, type=Report))}"
