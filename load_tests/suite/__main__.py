"""`make load`, which is `python -m load_tests.suite`: from the settings to the verdict."""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from load_tests.suite import baseline, objectives, page, report
from load_tests.suite import host as hosts
from load_tests.suite import plan as plans
from load_tests.suite import profile as profiles
from load_tests.suite.errors import LoadError, UsageError
from load_tests.suite.host import Host
from load_tests.suite.profile import Profile
from load_tests.suite.run import Options, Suite
from load_tests.suite.screen import say
from load_tests.suite.system import started

FOLDER = Path(".load")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic for the type checker only
    """A duration such as `20s`, `10m` or `2h`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read one."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", str(value), re.ASCII)
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if not seconds:
            self.fail(f"{value!r} is no duration, such as 20s, 10m or 2h", param, ctx)
        return seconds


class Paths(click.ParamType):  # type: ignore[type-arg]  # generic for the type checker only
    """Files, with commas between them."""

    name = "files"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[Path]:  # noqa: ARG002  click's signature
        """Read them."""
        return [Path(word.strip()) for word in str(value).split(",") if word.strip()]


_positive = click.FloatRange(min=0, min_open=True)


@click.command(epilog="Example: make load PROFILE=steady RATE=800 FOR=10m")
@click.option("--profile", "name", envvar="PROFILE", default="smoke", help="Which load.")
@click.option("--host", "url", envvar="HOST", default="", help="Else a system is started here.")
@click.option("--confirm", envvar="CONFIRM", default="", help="The name of another machine.")
@click.option(
    "--gateways", envvar="GATEWAYS", default="", help="Whom to ask for figures, if not HOST."
)
@click.option("--rate", envvar="RATE", type=_positive, help="Requests a second.")
@click.option("--for", "seconds", envvar="FOR", type=Duration(), help="How long.")
@click.option(
    "--workers", envvar="WORKERS", type=click.IntRange(1, 64), default=1, show_default=True
)
@click.option(
    "--knee", envvar="KNEE", type=_positive, help="Where it is known; else it is looked for."
)
@click.option(
    "--promotions", envvar="PROMOTIONS", type=click.IntRange(1, 50), default=2, show_default=True
)
@click.option("--model", envvar="MODEL", type=Paths(), default="", help="Model files that serve.")
@click.option(
    "--objectives",
    envvar="OBJECTIVES",
    type=click.Path(path_type=Path),
    default=objectives.FILE,
    help="Bounds of your own.",
)
@click.option("--baseline", "before", envvar="BASELINE", help="The JSON of an earlier run.")
@click.option("--out", envvar="OUT", help="Where the results go, without the ending.")
@click.option("--ui", is_flag=True, help="Give the same users to Locust's web page instead.")
def main(**given: Any) -> None:
    """Put a service under load, and say whether it holds.

    Exits with 0 where every objective holds, 1 where one is broken or an answer is wrong, 2 where
    the run says nothing of the service (void, not judged), 130 after Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = _main(**given)
    except LoadError as error:
        click.echo(f"load: {error}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("\nload: interrupted; every process has ended", err=True)
        code = 130
    sys.exit(code)


def _main(*, name: str, before: str | None, out: str | None, ui: bool, **given: Any) -> int:
    read = profiles.read(name)
    profile = profiles.scaled(
        read, None if read.kind == "overload" else given["rate"], given["seconds"]
    )
    earlier = _earlier(before) if before else []
    _make_folder()
    options = Options(
        workers=given["workers"],
        folder=(FOLDER / "run").absolute(),
        model=given["model"],
        objectives=given["objectives"],
        rate=given["rate"],
        seconds=given["seconds"],
        knee=given["knee"],
        promotions=given["promotions"],
    )
    asked = (given["url"], given["confirm"], given["gateways"])
    with _alone(), _host(profile, *asked) as host:
        suite = Suite(profile, host, options)
        if ui:
            return _web_page(suite, profile, options)
        say(f"{profile.name}: {profile.title}")
        run = suite.run()
    if earlier:
        now = [msgspec.to_builtins(block) for block in run.blocks]
        run = msgspec.structs.replace(run, changes=baseline.compare(earlier, now))
    usual = FOLDER / "results" / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}-{profile.name}"
    _publish(run, Path(out) if out else usual)
    return run.verdict.exit_code


def _publish(run: report.Run, results: Path) -> None:
    results.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(run, results.with_name(f"{results.name}.json"))
    page.write(run, results.with_name(f"{results.name}.html"))
    say(f"kept as {results}.json and .html\n\n{report.text(run)}")


def _earlier(file: str) -> list[dict[str, float]]:
    """Return the figures of the stretches of an earlier run."""

    class Earlier(msgspec.Struct):
        blocks: list[dict[str, float]]

    try:
        return msgspec.json.decode(Path(file).read_bytes(), type=Earlier).blocks
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"BASELINE={file} is no run: {error}") from error


def _make_folder() -> None:
    """Make the folder that everything is kept in.

    Raises:
        UsageError: it can't be made here.
    """
    try:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / ".gitignore").write_text("*\n")
    except OSError as error:
        raise UsageError(
            f"{FOLDER.absolute()} cannot be written: {error.strerror}; start where it can be"
        ) from error


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the folder: two loads at once would measure each other.

    Raises:
        UsageError: another holds it.
    """
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = f"another load test is at work in {FOLDER.absolute()}; wait for its end"
            raise UsageError(held) from None
        yield


@contextlib.contextmanager
def _host(profile: Profile, url: str, confirm: str, gateways: str) -> Iterator[Host]:
    """Return the service that is named, or start one."""
    if not url:
        versions = 2 if profile.kind == "promote" else 1
        with started((FOLDER / "home").absolute(), profile.system, versions) as host:
            yield host
        return
    url = hosts.check(url, confirm)
    asked = tuple(word.strip().rstrip("/") for word in gateways.split(",") if word.strip())
    # Behind another machine's address there may be several, each with counters of its own.
    known = asked or ((url,) if hosts.is_local(url) else ())
    home = Path(os.environ.get("IRIS_HOME", ".iris")).expanduser().absolute()
    found = hosts.supervised(url, home)
    pid, kept = found or (None, None)
    yield Host(
        url, os.environ.get(plans.KEY, ""), known, pid, kept, {**os.environ, "IRIS_HOME": str(home)}
    )


def _web_page(suite: Suite, profile: Profile, options: Options) -> int:
    """Run Locust's own web page with the same users and the same schedule.

    With several workers it is their master, and each is a `locust --worker` with the same file and
    the same variables.
    """
    if not profile.phases or profile.kind != "load":
        raise UsageError(
            f"{profile.name} is no plain load; make load PROFILE={profile.name} runs it"
        )
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "plan"
    plans.write(suite.plan(profile.phases), file)
    locust = Path(__file__).with_name("locustfile.py")
    environ = {
        "LOCUST_WEB_HOST": "127.0.0.1",
        "LOCUST_WEB_PORT": "8089",
        **os.environ,
        "LOAD_PLAN": str(file),
        "LOAD_SHARES": str(options.workers),
        "PYTHONPATH": str(locust.parents[2]),
    }
    page = f"http://{environ['LOCUST_WEB_HOST']}:{environ['LOCUST_WEB_PORT']}"
    say(f"Locust's page is at {page}; its users follow the profile's schedule")
    users = str(options.workers if options.workers > 1 else 4)
    command = [sys.executable, "-m", "locust", "-f", str(locust)]
    command += ["--users", users, "--spawn-rate", users]
    if options.workers > 1:
        command += ["--master", "--expect-workers", str(options.workers)]
    return subprocess.run(command, env=environ, check=False).returncode


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
