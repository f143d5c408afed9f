"""The commands of the registry: from the gates and the promotion to the check of the ledger."""

import contextlib
import os
import re
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import click
import msgspec

from artifacts import settings as environment
from artifacts.errors import IrisError, UsageError
from artifacts.store import open_store
from registry.settings import ExporterSettings, RegistrySettings
from registry.targets import target_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.gates import Report
    from registry.workspace import Workspace


_LONGEST_S = 86_400.0


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic for the type checker only
    """A duration such as `60s`, `2m` or `0s`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read one."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smh])", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no duration, such as 60s, 2m or 0s", param, ctx)
        seconds = float(found["number"]) * {"s": 1, "m": 60, "h": 3600}[found["unit"]]
        if seconds > _LONGEST_S:
            self.fail(f"{value!r} is more than a day", param, ctx)
        return seconds


class Reason(click.ParamType):  # type: ignore[type-arg]  # generic for the type checker only
    """Words for the ledger, which is kept as UTF-8."""

    name = "text"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Read them."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:  # Python's stand-in for a byte that it could not decode
            self.fail("it holds a byte that is no UTF-8; check the terminal's encoding", param, ctx)
        return text


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


_contract_change = click.option(
    "--allow-contract-change",
    "contract_change",
    type=Reason(),
    default="",
    metavar="REASON",
    help="Let clients see other features, units or labels than before; the reason is recorded.",
)


_yes = click.option("--yes", is_flag=True, help="Change prod without being asked.")


@click.command(epilog="Example: iris gates 2")
@click.argument("version", type=int)
@_contract_change
@_json
def gates(version: int, contract_change: str, as_json: bool) -> None:
    """Ask the gates about a registered version, without promoting it.

    Exits with 0 where it passes, 1 where it fails or can't be asked, 2 where the evidence says too
    little.
    """
    from registry.examination import examine_version
    from registry.gates import Verdict
    from registry.screens import gate_table, gate_verdict

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    with _workspace(settings, as_json) as work:
        report = examine_version(work, version, contract_change)
    if as_json:
        _print_json(report)
    else:
        click.echo(f"{gate_table(report)}\n\n{gate_verdict(report, contract_change)}")
    codes = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 2}
    click.get_current_context().exit(codes[report.verdict])


@click.command(
    epilog='Example: iris promote 2 --reason "better on versicolor"', short_help="Let one serve."
)
@click.argument("version", type=int)
@click.option("--reason", type=Reason(), default="", help="Why, for the ledger.")
@click.option(
    "--accept-inconclusive",
    type=Reason(),
    default="",
    metavar="REASON",
    help="Go on although a gate cannot say yes; the reason is recorded.",
)
@click.option(
    "--force",
    type=Reason(),
    default="",
    metavar="REASON",
    help="Go on although a gate says no, integrity excepted; the reason is recorded.",
)
@_contract_change
@click.option(
    "--watch",
    type=Duration(),
    default=None,
    help="How long it is watched under requests before the alias names it; 0s: not at all.",
)
@click.option("--dry-run", is_flag=True, help="Ask the gates, print the plan, change nothing.")
@_yes
@_json
def promote(  # noqa: PLR0913, PLR0917  an option each
    version: int,
    reason: str,
    accept_inconclusive: str,
    force: str,
    contract_change: str,
    watch: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Let a registered version serve: gates, rollout, proof, watch, alias, all of it or nothing.

    Exits with 0 where it serves, 1 where it was refused or failed, 2 where the evidence says too
    little, 130 after Ctrl-C.
    """
    from registry.promotion import Request
    from registry.promotion import promote as run
    from registry.screens import gate_table

    known: dict[str, Any] = {}

    def judged(report: "Report") -> None:
        known["report"] = report
        if not as_json:
            click.echo(gate_table(report))

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    if not dry_run:
        _ask(settings, yes=yes)
    with _workspace(settings, as_json, known) as work:
        request = Request(
            version,
            reason=reason,
            accept_inconclusive=accept_inconclusive,
            force=force,
            contract_change=contract_change,
            watch_s=work.thresholds.watch.seconds if watch is None else watch,
            dry_run=dry_run,
        )
        promotion = run(work, request, judged)
    if as_json:
        _print_json(promotion)
    elif promotion.plan and promotion.operation is None:
        click.echo("\n".join(f"{n}. {p.words}" for n, p in enumerate(promotion.plan, 1)))
        click.echo("that is the plan; nothing was changed")
    elif promotion.operation is None:
        click.echo(f"{promotion.release} serves already; nothing was changed")
    else:
        click.echo(f"{promotion.release} serves; iris history {promotion.operation} tells all")


@click.command(epilog='Example: iris rollback --reason "wrong on virginica"')
@click.option(
    "--to", "version", default=None, help="A release by its version; else the one before."
)
@click.option("--reason", type=Reason(), default="", help="Why, for the ledger.")
@_yes
@_json
def rollback(version: str | None, reason: str, yes: bool, as_json: bool) -> None:
    """Let a release that served before serve again. It always starts, whatever is under way."""
    from registry.rollback import choose
    from registry.rollback import rollback as run

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        release = choose(work, version)
        work.told(f"rolling back to {release or 'nothing served'}")
        number = run(work, release, reason)
    if as_json:
        _print_json({"release": release, "operation": number})
    else:
        click.echo(f"{release or 'nothing'} serves; iris history {number} tells all")


@click.command(epilog='Example: iris recover --takeover "the laptop that began it is lost"')
@click.option(
    "--takeover",
    type=Reason(),
    default="",
    metavar="REASON",
    help="Take an operation over although its process may still be at work.",
)
@_yes
@_json
def recover(takeover: str, yes: bool, as_json: bool) -> None:
    """Bring what was left half-done to its end: finish it, or go back to what served before."""
    from registry.recovery import recover as run

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        done = run(work, takeover)
    if as_json:
        _print_json({"done": done})
    else:
        click.echo("\n".join(done) if done else "nothing was left half-done")


@click.command(epilog="Example: iris status --exit-code")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something is in the way.")
@_json
def status(exit_code: bool, as_json: bool) -> None:
    """Say what serves, who put it there and why, what is in the way, and what to type next."""
    from registry.screens import status_screen
    from registry.status import gather_status

    found = gather_status(environment.load(RegistrySettings))
    if as_json:
        _print_json(found)
    else:
        click.echo(status_screen(found))
    if exit_code and found.troubles:
        sys.exit(1)


@click.command(epilog="Example: iris reconcile --to ledger")
@click.option(
    "--to",
    type=click.Choice(["serving", "ledger"]),
    help="Record what serves, or bring back what the ledger says; not given: only show.",
)
@click.option("--reason", type=Reason(), default="", help="Why, for the ledger.")
@_yes
@_json
def reconcile(to: str | None, reason: str, yes: bool, as_json: bool) -> None:
    """Show how ledger, MLflow and what serves disagree; told so, make them agree again.

    A program that only asks whether they do takes iris status --exit-code.
    """
    from registry.reconcile import reconcile_to_ledger, reconcile_to_serving
    from registry.screens import troubles_list
    from registry.status import gather_status

    settings = environment.load(RegistrySettings)
    if to is None:
        troubles = gather_status(settings).troubles
        _print_json(troubles) if as_json else click.echo(troubles_list(troubles))
        return
    run = reconcile_to_serving if to == "serving" else reconcile_to_ledger
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        done = run(work, reason or f"reconciled to the {to}")
    if as_json:
        _print_json({"done": done})
    else:
        click.echo("\n".join(done) if done else "all agreed already; nothing was changed")


@click.command(epilog="Example: iris preflight")
@_json
def preflight(as_json: bool) -> None:
    """Say whether a deploy may go ahead: it would stop a promotion, or change what serves by hand.

    Exits with 1 where it may not, and names the command that settles it.
    """
    from registry.preflight import preflight as run

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    with _workspace(settings, as_json) as work:
        release = run(work)
    if as_json:
        _print_json({"release": release})
    else:
        click.echo(f"a deploy may go ahead; {release or 'nothing'} goes on serving")


@click.command(epilog="Example: iris history 7")
@click.argument("operation", type=int, required=False)
@_json
def history(operation: int | None, as_json: bool) -> None:
    """List every promotion and rollback, or tell everything about one."""
    from registry.screens import history_table, operation_screen
    from registry.workspace import open_ledger

    settings = environment.load(RegistrySettings)
    store = open_store(settings.store_uri)
    chain = open_ledger(settings, store).read()
    if operation is None:
        records = [o.record for o in chain.operations]
        click.echo(history_table(chain)) if not as_json else _print_json(records)
        return
    if operation not in [o.number for o in chain.operations]:
        holding = chain.holding(operation)
        found = f"record {operation} is of {holding}: iris history {holding}" if holding else ""
        raise UsageError(
            f"there is no operation {operation}",
            hint="an operation bears the number of its first record; "
            f"{found or 'iris history lists them'}",
        )
    records = chain.of(operation)
    click.echo(operation_screen(store, chain, operation)) if not as_json else _print_json(records)


@click.command(epilog="Example: iris why")
@_json
def why(as_json: bool) -> None:
    """Say why what serves was let: who, when, for what reason, and what the gates said."""
    from registry.screens import why_screen
    from registry.why import why as find
    from registry.workspace import open_ledger

    settings = environment.load(RegistrySettings)
    store = open_store(settings.store_uri)
    found = find(open_ledger(settings, store).read())
    if as_json:
        _print_json({"brought": found.brought.record, "let": found.let and found.let.record})
    else:
        click.echo(why_screen(store, found))


@click.command("verify-ledger", epilog="Example: iris verify-ledger")
@_json
def verify_ledger(as_json: bool) -> None:
    """Read every record of the ledger, and name one that is missing, altered or out of order."""
    from registry.verification import verify

    found = verify(environment.load(RegistrySettings))
    if as_json:
        _print_json(found)
        return
    click.echo(f"{found.records} records, each whole and in its place")
    if found.void:
        click.echo(f"{found.void} more were left behind by a newer epoch, and are void")
    click.echo(f"stamps that agree: {', '.join(found.stamps) or 'none was there to compare with'}")
    for where in found.silent:
        click.echo(f"not compared with the stamp in {where}: it does not answer")


@click.command("restore-file", epilog="Example: iris restore-file 2")
@click.argument("version")
@click.option(
    "--from", "source", metavar="STORE", help="The address of a copy of the store; else MLflow."
)
@_yes
@_json
def restore_file(version: str, source: str | None, yes: bool, as_json: bool) -> None:
    """Put the file of a release back, where it is gone from the store or was overwritten.

    The ledger says which digest it has to have; a file that has it is left alone.
    """
    from registry.restore import restore_file as run
    from registry.screens import restored_screen

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        restored = run(work, version, source)
    _print_json(restored) if as_json else click.echo(restored_screen(restored))


@click.command("continue-ledger", epilog='Example: iris continue-ledger --after 41 --reason "…"')
@click.option("--after", type=int, required=True, help="The last good record: iris verify-ledger.")
@click.option("--reason", type=Reason(), required=True, help="Why, for the ledger.")
@_yes
@_json
def continue_ledger(after: int, reason: str, yes: bool, as_json: bool) -> None:
    """Go on with a ledger whose records can't be restored, after the last good one.

    It begins a new epoch: what came after that record is void for ever, whoever brings it back.
    """
    from registry.continuation import continue_ledger as run
    from registry.screens import continued_screen

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        continued = run(work, after, reason)
    _print_json(continued) if as_json else click.echo(continued_screen(continued))


@click.command(epilog='Example: iris failover --reason "the first region is gone"')
@click.option("--reason", type=Reason(), required=True, help="Why, for the ledger.")
@_yes
@_json
def failover(reason: str, yes: bool, as_json: bool) -> None:
    """Go on with the copy of a store, whose original is out of reach. Cut the replication first.

    It begins a new epoch of the ledger, from the last record up to which all is there. Promoters
    of the epoch before are refused, should the original come back.
    """
    from registry.continuation import fail_over
    from registry.screens import continued_screen

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        continued = fail_over(work, reason)
    _print_json(continued) if as_json else click.echo(continued_screen(continued))


@click.command("rebuild-registry", epilog="Example: iris rebuild-registry")
@_yes
@_json
def rebuild_registry(yes: bool, as_json: bool) -> None:
    """Make versions, aliases and tags on an MLflow that lost its database, from the store.

    It is for every environment whose ledger is in the store. Every version keeps its number; the
    next one that is registered gets a higher one. Killed, it goes on where it is called again.
    """
    from registry.rebuild import rebuild_registry as run
    from registry.screens import rebuilt_screen

    settings = environment.load(RegistrySettings)
    _announce(settings, as_json)
    _ask(settings, yes=yes)
    with _workspace(settings, as_json) as work:
        rebuilt = run(work)
    _print_json(rebuilt) if as_json else click.echo(rebuilt_screen(rebuilt))


@click.command(epilog="Example: iris exporter")
def exporter() -> None:
    """Answer Prometheus on /metrics: is the ledger whole, how long is an operation open?

    It only reads the ledger, and runs until Ctrl-C.
    """
    from registry.exporter import LedgerFigures, run
    from registry.workspace import open_ledger

    settings = environment.load(ExporterSettings)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ledger = open_ledger(settings, open_store(settings.store_uri))
    figures = LedgerFigures(ledger.read, lambda line: click.echo(f"error: {line}", err=True))
    click.echo(f"http://{settings.exporter_host}:{settings.exporter_port}/metrics")
    run(figures, settings.exporter_host, settings.exporter_port, ended)


def _announce(settings: RegistrySettings, as_json: bool) -> None:
    """Say what will be changed, before anything is."""
    if not as_json:
        target = target_of(settings)
        click.echo(
            f"environment {settings.iris_env} · target {target} · store {settings.store_uri}"
        )


def _ask(settings: RegistrySettings, *, yes: bool) -> None:
    """Change prod only for who says that he means it.

    Raises:
        UsageError: there is nobody to ask.
    """
    if settings.iris_env != "prod" or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this changes prod, and nobody can be asked", hint="add --yes")
    click.confirm("go on?", abort=True, err=True)


@contextlib.contextmanager
def _workspace(
    settings: RegistrySettings, as_json: bool, known: dict[str, Any] | None = None
) -> "Iterator[Workspace]":
    """Yield what a command works on; whoever reads is told each step, and may interrupt.

    Args:
        settings: the command's settings.
        as_json: whether a program reads, which is also told as an object why the command failed.
        known: what is told besides then, as it is by then.
    """
    from registry.events import choose_teller
    from registry.interruption import interruptible
    from registry.workspace import open_workspace

    # The renderer ends before the error is told, so that the last picture stands above it.
    try:
        with (
            interruptible(settings),
            choose_teller(click.echo, as_json=as_json, terminal=_on_terminal()) as teller,
            open_workspace(settings, teller) as work,
        ):
            yield work
    except IrisError as error:
        if as_json:
            told = {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
            with contextlib.suppress(OSError):  # nobody may read any more
                _print_json({**told, **(known or {})})
        raise


def _on_terminal() -> bool:
    """Tell whether a person reads who sees lines redrawn: a dumb terminal cannot."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.encode(value))
