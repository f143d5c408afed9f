"""Promotion: a registered version becomes what serves, on evidence, or nothing changes.

    reads and refusals → gates → intent → publish → roll out and prove → watch → alias → outcome

The protocol is that of `docs/decisions/0002-ledger.md`; `registry.operation` has each effect.
"""

import contextlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from artifacts.errors import BlobNotFound, IrisError, ModelFileError, StoreError
from artifacts.release import Release, registry_release
from registry.chain import Chain
from registry.errors import (
    GatesFailed,
    GatesInconclusive,
    NotCompensated,
    OperationOpen,
    RegistryUnavailable,
    RolloutFailed,
    TakenOverByHand,
    TargetError,
    TargetUnavailable,
    VersionUnfit,
    WatchFailed,
)
from registry.examination import examine, keep
from registry.gates import Report, Verdict
from registry.gateways import Gateways
from registry.identity import is_dead
from registry.operation import RunningOperation
from registry.plan import Planned, promotion_plan
from registry.records import AliasState, Effect, Intent, Kind, Result
from registry.rollout import TargetState
from registry.workspace import Workspace


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    version: int
    reason: str = ""
    accept_inconclusive: str = ""
    """Why it goes on although a gate cannot say yes; empty: it does not."""
    force: str = ""
    """Why it goes on although a gate says no; empty: it does not."""
    contract_change: str = ""
    """Why clients may see another contract; empty: they may not."""
    watch_s: float = 0.0
    """How long the release is watched before the alias names it, in seconds."""
    dry_run: bool = False
    """Only say what would be done."""

    def with_option(self, option: str) -> str:
        """Return the command with the reasons that were given, and one more."""
        given = {
            "--reason": self.reason,
            "--accept-inconclusive": self.accept_inconclusive,
            "--force": self.force,
            "--allow-contract-change": self.contract_change,
        }
        words = [f"{name} {shlex.quote(why)} " for name, why in given.items() if why]
        return f'iris promote {self.version} {"".join(words)}{option} "…"'


@dataclass(frozen=True)
class Promotion:
    """What came of it."""

    release: Release
    report: Report | None
    """None where the version was serving already and nothing was done."""
    operation: int | None
    """None where nothing was begun."""
    plan: list[Planned] = field(default_factory=list)
    """What was done, or would be."""


def promote(
    work: Workspace, request: Request, judged: Callable[[Report], None] = lambda _: None
) -> Promotion:
    """Promote a version. Either it serves in the end, everywhere and by proof, or nothing changed.

    Args:
        work: what the command works on.
        request: what was asked for.
        judged: is called with the gates' report, before it is acted on.

    Raises:
        VersionUnfit, GatesFailed, GatesInconclusive, OperationOpen, LedgerForeign, LedgerDamaged:
            refused; nothing was written but the gate report.
        LedgerMoved: another promoter was first, or took this one over.
        StoreError, ModelFileError: the file cannot be published; nothing changed.
        RolloutFailed, WatchFailed: the release cannot serve, or not well; what served before
            serves again.
        TakenOverByHand: what serves was changed by hand, and is left so.
        NotCompensated: what served before could not be brought back; the operation stays open.
        RegistryUnavailable: MLflow does not answer; after the rollout, `iris recover` goes on.
        TargetUnavailable: what serves, or every gateway, does not answer from here.
    """
    chain = work.ledger.read()
    refuse_open(chain)
    candidate = work.versions.candidate(request.version)
    release = registry_release(candidate.number, candidate.sha256)
    state = work.target.read()
    work.check_target(chain, state)
    work.check_registry(chain)
    if _serves_already(work, chain, state, release):
        return Promotion(release, None, None)
    _refuse_by_hand(chain, state)
    _refuse_rejected(chain, release, request)
    refuse_out_of_reach(work, state, request.watch_s)

    work.step("gates", f"asking the gates about version {request.version}")
    file = work.versions.release_file(candidate)
    report = examine(work, chain, candidate, file, request.contract_change)
    evidence = ""
    if not request.dry_run:
        report, evidence = keep(work, candidate, report)
    judged(report)
    _refuse_by_gates(report, request)
    intent = _intent(chain, report, evidence, request)
    plan = promotion_plan(intent, work.settings.alias)
    if request.dry_run:
        return Promotion(release, report, None, plan)

    operation = RunningOperation.begin(work, work.begin(chain, state), intent)
    with operation.at_work():
        carry_out(operation, plan, file)
    work.try_stamp_registry(operation.chain)
    return Promotion(release, report, operation.number, plan)


def carry_out(operation: RunningOperation, plan: list[Planned], file: bytes = b"") -> None:
    """Take the steps of the plan in their order; undo them where one fails. Safe to repeat.

    Args:
        operation: what was begun, or taken over after a crash.
        plan: the steps, or those that are left of them.
        file: the release file, where the plan publishes it.

    Raises:
        StoreError, ModelFileError, RolloutFailed, WatchFailed, VersionUnfit, TakenOverByHand: it
            has ended otherwise, as `promote` says.
        NotCompensated, RegistryUnavailable: it stays open.
    """
    for step in plan:
        try:
            operation.take(step, file)
        except _FAILURES[step.effect] as error:
            give_up(operation, step.effect, error)
    operation.finish()


_FAILURES: dict[Effect, tuple[type[IrisError], ...]] = {
    Effect.PUBLISH: (StoreError, ModelFileError),
    Effect.ROLL_OUT: (TargetError, TakenOverByHand),
    Effect.WATCH: (TargetError, TakenOverByHand, BlobNotFound, ModelFileError),
    Effect.MOVE_ALIAS: (RegistryUnavailable, VersionUnfit),
}
"""What a step may meet that ends the operation. What it may meet besides leaves it open."""


def give_up(operation: RunningOperation, effect: Effect, error: IrisError) -> NoReturn:
    """End an operation of which a step failed, and say how things stand.

    Raises:
        IrisError: always; the kinds are those of `carry_out`.
    """
    intent = operation.intent
    if isinstance(error, TakenOverByHand):
        operation.leave_to_hand(error)
        raise error
    if effect is Effect.PUBLISH:
        operation.end(Result.ABANDONED, intent.origin, AliasState.UNTOUCHED, error.message)
        raise error
    if isinstance(error, RegistryUnavailable):
        raise RegistryUnavailable(
            f"{intent.to} serves, but the alias was not moved: {error.message}",
            hint="when MLflow answers again: iris recover; to go back at once: iris rollback",
        ) from error
    undo(operation, error.message)
    known = (WatchFailed, VersionUnfit)
    kind = type(error) if isinstance(error, known) else RolloutFailed
    raise kind(
        f"{error.message}; {intent.origin or 'nothing'} serves, as before", hint=error.hint
    ) from error


def undo(operation: RunningOperation, why: str) -> None:
    """Bring back what served before, the alias too where it may have been moved, and record why.

    Raises:
        TakenOverByHand: something else was put in by hand; that is recorded.
        NotCompensated: what served before does not come back; the operation stays open.
    """
    origin = operation.intent.origin
    try:
        operation.compensate()
    except TakenOverByHand as error:
        operation.leave_to_hand(error)
        raise
    except TargetError as error:
        raise NotCompensated(
            f"{why}; and what served before did not come back: {error.message}",
            hint="mend what is in its way, then: iris recover",
        ) from error
    alias = AliasState.UNTOUCHED
    if operation.alias_may_have_moved():
        alias = operation.move_alias_or_defer(origin)
    operation.end(Result.COMPENSATED, origin, alias, why)


def refuse_open(chain: Chain) -> None:
    """Refuse while an operation is under way, and say who is at work."""
    if chain.open is not None:
        dead = is_dead(chain.open.writer)
        raise OperationOpen(chain.open.describe(dead=dead), hint=chain.ways_on(dead=dead))


def refuse_out_of_reach(work: Workspace, state: TargetState, watch_s: float) -> None:
    """Refuse to begin what could not be watched to its end, since no gateway is reached from here.

    Raises:
        TargetUnavailable: none of them answers.
    """
    urls = work.gateways(state)
    if not watch_s or not urls:
        return
    with contextlib.closing(Gateways(urls, "")) as gateways:
        if not gateways.reached():
            raise TargetUnavailable(
                f"the watch window asks {', '.join(urls)}, and none answers from here",
                hint="run it where they do, as make promote-dev does in the cluster; or forward a "
                "port to one, and name it in IRIS_GATEWAY_URL",
            )


def _intent(chain: Chain, report: Report, evidence: str, request: Request) -> Intent:
    """Return the intent. What overruled a gate is named only where one had to be overruled."""
    overruled = report.verdict is not Verdict.PASS
    accepted = report.verdict is Verdict.INCONCLUSIVE and bool(request.accept_inconclusive)
    return Intent(
        operation=Kind.PROMOTION,
        origin=chain.serving,
        to=report.release,
        evidence=evidence,
        reason=request.reason,
        forced=request.force if overruled and not accepted else "",
        accepted=request.accept_inconclusive if accepted else "",
        contract_change=request.contract_change,
        watch_s=request.watch_s,
    )


def _serves_already(work: Workspace, chain: Chain, state: TargetState, release: Release) -> bool:
    """Tell whether ledger, target and alias name the release, and see that it serves indeed."""
    if chain.serving != release or state.release != release:
        return False
    if work.versions.alias(work.settings.alias) != int(release.version):
        return False
    work.target.wait_until_serving(release, work.told)
    return True


def _refuse_by_hand(chain: Chain, state: TargetState) -> None:
    if state.release != chain.serving:
        raise TakenOverByHand(
            f"{state.release or 'nothing'} is what serves, and the ledger says "
            f"{chain.serving or 'nothing'}: it was changed by hand, and is left as it is",
            hint="iris rollback --to VERSION brings a recorded release back",
        )


def _refuse_rejected(chain: Chain, release: Release, request: Request) -> None:
    if release.sha256 in chain.rejected and not request.reason:
        raise VersionUnfit(
            f"{release} was rolled back from",
            hint=f"to promote it all the same: {request.with_option('--reason')}",
        )


def _refuse_by_gates(report: Report, request: Request) -> None:
    """Refuse what the gates refuse, unless a person takes it upon himself; never a broken file."""
    said = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    told = "; ".join(f"{f.gate}: {f.sentence}" for f in report.findings if f.verdict not in said)
    if report.verdict is Verdict.FAIL and not (request.force and report.whole):
        force = f"; to go on all the same: {request.with_option('--force')}"
        raise GatesFailed(
            f"version {report.version} is not promoted: {told}",
            hint=f"train a better one{force if report.whole else ''}",
        )
    unsure = report.verdict is Verdict.INCONCLUSIVE
    if unsure and not (request.accept_inconclusive or request.force):
        raise GatesInconclusive(
            f"version {report.version} is not promoted, the evidence says too little: {told}",
            hint=f"to go on all the same: {request.with_option('--accept-inconclusive')}",
        )
