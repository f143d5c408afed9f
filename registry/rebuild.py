"""An MLflow that was lost is made again, from what the store has: ledgers and releases.

    read ledgers and releases → refusals → a version for each number → aliases and tags

MLflow gives numbers itself, in order, and none twice. So a version is made for every number up to
the highest that the store knows of; those that nothing is left of are placeholders, and deleted
when all are there. The tag that binds MLflow to a ledger comes last: until then every other command
refuses that MLflow. Killed anywhere, the same command goes on with what is there.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import BlobNotFound, ModelFileError
from artifacts.model import load_model
from artifacts.release import MODEL_NAME, Release
from artifacts.store import BlobStore, Store
from registry.chain import Chain
from registry.errors import LedgerForeign, NothingToDo, VersionUnfit
from registry.examination import REFERENCE
from registry.gates import Report
from registry.gates.page import page
from registry.settings import alias_of
from registry.workspace import (
    Workspace,
    gates_tag,
    head_tag,
    ledger_tag,
    open_ledger,
    registry_number,
)

_FILE = re.compile(rf"{MODEL_NAME}/v(?P<number>[1-9]\d*)/model\.onnx")
_PLACEHOLDER = "iris.placeholder"
_REBUILT = "iris.rebuilt"
"""On a version: it was made from the store. On the registered model: up to which number."""

Tags = Mapping[int, Mapping[str, str]]


class Rebuilt(msgspec.Struct, frozen=True):
    """What came of it."""

    versions: list[int]
    """Those that MLflow has now, of those that the store knows."""
    empty: dict[int, str]
    """Numbers that stay empty though something was released or begun under them, and why."""
    aliases: dict[str, int | None]
    environments: list[str]


def rebuild_registry(work: Workspace) -> Rebuilt:
    """Make versions, aliases and tags on an MLflow that has lost them.

    Raises:
        NothingToDo: no ledger lies in the store.
        LedgerDamaged: one is not whole.
        LedgerForeign: that MLflow is another ledger's.
        VersionUnfit: it has versions that would clash; nothing was changed.
        StoreUnavailable, RegistryUnavailable: not done; the same command goes on.
    """
    chains = _chains(work)
    wanted = _releases(chains.values(), work.store.models)
    files, empty = _files(wanted, work.store.models)
    from registry.versions import make_database

    make_database(work.settings)
    there = work.versions.all_tags()
    _refuse_foreign(work, chains)
    _refuse_clash(there, wanted, files)

    reports = _reports(chains, work.store)
    made_before = int(work.versions.tag(_REBUILT) or 0)
    last, highest = max(there, default=0), max(wanted, default=0)
    for number in range(max(last, made_before) + 1, highest + 1):
        tags = _tags(files.get(number), [r for _, r in reports.get(number, {}).values()])
        work.versions.make(number, files.get(number), tags, work.store.mlflow_artifact_root)
        work.told(f"made version {number}" if number in files else f"number {number} stays empty")
    if highest > made_before:
        work.versions.set_tag(_REBUILT, str(highest))
    for number, tags in sorted(work.versions.all_tags().items()):
        if _PLACEHOLDER in tags:
            work.versions.delete(number)

    _attach(work, reports)
    versions = sorted(set(work.versions.numbers()) & set(wanted))
    aliases = _move_aliases(work, chains, versions)
    for environment, chain in chains.items():
        work.versions.set_tag(head_tag(environment), str(chain.head))
    for environment, chain in chains.items():
        assert chain.genesis is not None
        work.versions.set_tag(ledger_tag(environment), chain.genesis.ledger)
    return Rebuilt(versions, {n: empty[n] for n in empty if n not in versions}, aliases, [*chains])


def _chains(work: Workspace) -> dict[str, Chain]:
    """Return the ledger of each environment that has promoted anything."""
    names = {name.partition("/")[0] for name in work.store.ledger.list()}
    settings = {n: msgspec.structs.replace(work.settings, iris_env=n) for n in sorted(names)}
    chains = {name: open_ledger(s, work.store).read() for name, s in settings.items()}
    found = {name: chain for name, chain in chains.items() if chain.operations}
    if not found:
        raise NothingToDo(
            f"nothing was ever promoted from {work.settings.store_uri}",
            hint="check IRIS_STORE; on a new store MLflow is made by iris train",
        )
    return found


def _releases(chains: Iterable[Chain], models: BlobStore) -> dict[int, Release]:
    """Return every registered version that the store knows of, by ledger or else by file."""
    named = [
        release
        for chain in chains
        for operation in chain.operations
        for release in (operation.intent.origin, operation.intent.to)
        if release is not None and release.sha256 is not None
    ]
    found = {number: r for r in named if (number := registry_number(r)) is not None}
    for blob in models.list(f"{MODEL_NAME}/"):
        match = _FILE.fullmatch(blob)
        if match and int(match["number"]) not in found:
            release = Release(match["number"], blob, sha256_hex(models.read(blob)))
            found[int(match["number"])] = release
    return found


def _files(
    wanted: Mapping[int, Release], models: BlobStore
) -> tuple[dict[int, bytes], dict[int, str]]:
    """Return the files that are there as they were released, and why the others are not."""
    files, lost = {}, {}
    for number, release in sorted(wanted.items()):
        try:
            data = models.read(release.blob)
            load_model(data, release.sha256)
            files[number] = data
        except BlobNotFound:
            lost[number] = f"there is no file {models.address(release.blob)}"
        except ModelFileError as error:
            lost[number] = f"{models.address(release.blob)}: {error.message}"
    return files, lost


def _refuse_foreign(work: Workspace, chains: Mapping[str, Chain]) -> None:
    for environment, chain in chains.items():
        named = work.versions.tag(ledger_tag(environment))
        if chain.genesis is not None and named not in (None, chain.genesis.ledger):
            raise LedgerForeign(
                f"MLflow at {work.settings.tracking_uri} names the ledger {named} for "
                f"{environment}, and that in {work.settings.store_uri} is {chain.genesis.ledger}",
                hint="check MLFLOW_TRACKING_URI and IRIS_STORE",
            )


def _refuse_clash(there: Tags, wanted: Mapping[int, Release], files: Mapping[int, bytes]) -> None:
    """Refuse an MLflow in which a released version's number is another's, or is used up."""
    empty = (
        f"delete the registered model {MODEL_NAME} in that MLflow, or take an empty one; then the "
        "same command again, and after that register anew what was there"
    )
    for number, release in sorted(wanted.items()):
        tags = there.get(number, {_PLACEHOLDER: ""})
        if _PLACEHOLDER not in tags and tags.get("iris.sha256") != release.sha256:
            raise VersionUnfit(
                f"MLflow has a version {number} that is not what was released as {release}",
                hint=empty,
            )
    late = [n for n in files if n not in there and n < max(there, default=0)]
    if late:
        raise VersionUnfit(
            f"version {late[0]} was released and is not in MLflow, which is at {max(there)} "
            "already, and gives no number below",
            hint=empty,
        )


def _reports(chains: Mapping[str, Chain], store: Store) -> dict[int, dict[str, tuple[str, Report]]]:
    """Return what the gates said last of each version, by number and environment."""
    found: dict[int, dict[str, tuple[str, Report]]] = {}
    for environment, chain in chains.items():
        for operation in chain.operations:
            evidence, number = operation.intent.evidence, registry_number(operation.intent.to)
            report = _report(store, evidence) if evidence and number else None
            if evidence and number and report:
                found.setdefault(number, {})[environment] = (evidence, report)
    return found


def _report(store: Store, digest: str) -> Report | None:
    try:
        data = store.records.read(f"gates/{digest}.json")
    except BlobNotFound:
        return None
    return msgspec.json.decode(data, type=Report) if sha256_hex(data) == digest else None


def _tags(file: bytes | None, reports: list[Report]) -> dict[str, str]:
    """Return the tags of a version besides those that name its file."""
    if file is None:
        return {_PLACEHOLDER: "deleted when all are there"}
    tags = {_REBUILT: "from the store"}
    rows = next((r.rows_sha256 for r in reports if r.rows_sha256), None)
    # Of a model from elsewhere the file does not know the data that it was measured on.
    if rows and load_model(file).card.data_sha256 is None:
        tags[REFERENCE] = rows
    return tags


def _attach(work: Workspace, reports: Mapping[int, Mapping[str, tuple[str, Report]]]) -> None:
    """Show again what the gates said, where MLflow does not show it."""
    for candidate in work.versions.candidates():
        for environment, (digest, report) in reports.get(candidate.number, {}).items():
            said = {gates_tag(environment): f"{report.verdict.value} {digest}"}
            if said.items() <= candidate.tags.items():
                continue
            data = work.store.records.read(f"gates/{digest}.json")
            files = {"report.json": data, "report.html": page(report, digest).encode()}
            work.versions.attach(candidate, f"gates/{environment}", files, said)


def _move_aliases(
    work: Workspace, chains: Mapping[str, Chain], versions: list[int]
) -> dict[str, int | None]:
    """Let each alias name what its ledger says serves; nothing, where MLflow can't have that."""
    aliases: dict[str, int | None] = {}
    for environment, chain in chains.items():
        number = registry_number(chain.serving) if chain.serving else None
        aliases[alias_of(environment)] = number if number in versions else None
    for alias, number in aliases.items():
        work.versions.move_alias(alias, number)
    return aliases
