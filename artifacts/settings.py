"""Settings: one frozen object per program, read from the environment once, at the start.

A program lists its variables as the fields of a `Settings` class: the field `gateway_port` is the
variable `GATEWAY_PORT`. Values are parsed strictly ("maybe" is no boolean), and a variable that
begins with `IRIS_` but belongs to no program is refused: it is a misspelt one.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from artifacts.errors import SettingsError

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
EnvironmentName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,30}$")]

# Every variable that begins with IRIS_, of whichever program; a test compares it with the classes.
IRIS_VARIABLES = frozenset(
    {
        "IRIS_CLUSTER",
        "IRIS_CRASH_AT",
        "IRIS_ENV",
        "IRIS_GATES_FILE",
        "IRIS_GATEWAY_KEY",
        "IRIS_GATEWAY_URL",
        "IRIS_HOME",
        "IRIS_ROLLOUT_TIMEOUT_S",
        "IRIS_STOP_AT",
        "IRIS_STORE",
        "IRIS_SUPERVISOR_TOKEN",
        "IRIS_SUPERVISOR_URL",
        "IRIS_TARGET",
    }
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The variables of one program: a field each, with its default."""


class HomeSettings(Settings, frozen=True, kw_only=True):
    """Where this machine keeps its state, and which environment and store it works on."""

    iris_home: str = ".iris"
    """The folder for everything that one machine keeps."""
    iris_env: EnvironmentName = "local"
    """The environment: `local` on one machine, `dev` or `prod` in a cluster."""
    iris_store: str = ""
    """The blob store: a folder, or `azure://ACCOUNT`. Empty: the folder `store` in `IRIS_HOME`."""

    @property
    def home(self) -> Path:
        """`IRIS_HOME` as an absolute path; it need not exist yet."""
        return Path(self.iris_home).expanduser().resolve()

    @property
    def store_uri(self) -> str:
        """The address of the blob store."""
        return self.iris_store or str(self.home / "store")


class MlflowSettings(HomeSettings, frozen=True, kw_only=True):
    """The same, and where MLflow is."""

    mlflow_tracking_uri: str = ""
    """MLflow's server or database. Empty: `mlflow.db`, a SQLite file in `IRIS_HOME`."""

    @property
    def tracking_uri(self) -> str:
        """The address of MLflow."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def database(self) -> Path | None:
        """MLflow's file in `IRIS_HOME`; None where another address is set."""
        return None if self.mlflow_tracking_uri else self.home / "mlflow.db"


def artifact_location(uri: str, artifact_root: str) -> str | None:
    """Return where a new experiment keeps its files; None where MLflow is a server, which knows.

    A server may hand them on itself, so that its clients need no right to the store.
    """
    return None if uri.startswith(("http://", "https://")) else artifact_root


S = TypeVar("S", bound=Settings)


def load(cls: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of one program from the environment.

    Args:
        cls: the program's settings class.
        environ: the variables; those of the process where not given.

    Raises:
        SettingsError: a variable is missing, wrong or misspelt. The message is one line and
            names it.
    """
    environ = os.environ if environ is None else environ
    _refuse_unknown(environ)
    names = msgspec.structs.fields(cls)
    given = {f.encode_name: environ[f.encode_name] for f in names if f.encode_name in environ}
    try:
        return msgspec.convert(given, cls, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_in_one_line(str(error), given)) from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    unknown = sorted(n for n in environ if n.startswith("IRIS_") and n not in IRIS_VARIABLES)
    if unknown:
        raise SettingsError(
            f"{unknown[0]} is set, but no program knows that variable; "
            f"the known ones are {', '.join(sorted(IRIS_VARIABLES))}"
        )


def _in_one_line(message: str, given: Mapping[str, str]) -> str:
    """Turn msgspec's "Expected `int`, got `str` - at `$.GATEWAY_PORT`" into a sentence."""
    missing = re.search(r"missing required field `(?P<name>\w+)`", message)
    if missing:
        return f"{missing['name']} is not set, and it has no default"
    wrong = re.search(r"^E(?P<expected>xpected .*?)(, got .*)? - at `\$\.(?P<name>\w+)`$", message)
    if wrong:
        return f"{wrong['name']}={given[wrong['name']]!r} is not valid: e{wrong['expected']}"
    return f"the environment is not valid: {message}"
