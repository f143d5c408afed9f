"""Settings: parsed strictly, once, and refused in one line that names the variable."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from artifacts.errors import SettingsError
from artifacts.settings import HomeSettings, MlflowSettings, Port, Settings, load


class ExampleSettings(Settings, frozen=True, kw_only=True):
    """One variable of each kind."""

    example_path: str
    example_port: Port = 8080
    example_spare_port: Port | None = None
    example_open: bool = False
    example_pause_s: Annotated[float, msgspec.Meta(gt=0)] = 1.5


def test_a_variable_is_read_under_the_fields_name() -> None:
    """The field `example_port` is `EXAMPLE_PORT`; what is not set has its default."""
    settings = load(ExampleSettings, {"EXAMPLE_PATH": "/srv", "EXAMPLE_PORT": "9090"})
    assert settings == ExampleSettings(example_path="/srv", example_port=9090)


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is handed in, it is the environment that counts."""
    monkeypatch.setenv("EXAMPLE_PATH", "/srv")
    assert load(ExampleSettings).example_path == "/srv"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXAMPLE_PORT", "http"),
        ("EXAMPLE_PORT", ""),
        ("EXAMPLE_PORT", "0"),
        ("EXAMPLE_PORT", "65536"),
        ("EXAMPLE_PORT", "80.5"),
        ("EXAMPLE_SPARE_PORT", "-1"),
        ("EXAMPLE_OPEN", "maybe"),
        ("EXAMPLE_OPEN", "yes"),
        ("EXAMPLE_PAUSE_S", "soon"),
        ("EXAMPLE_PAUSE_S", "0"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(name: str, value: str) -> None:
    """The line says which variable, what it holds, and what was expected."""
    with pytest.raises(SettingsError) as caught:
        load(ExampleSettings, {"EXAMPLE_PATH": "/srv", name: value})
    line = str(caught.value)
    assert line.startswith(f"{name}={value!r} is not valid: expected ")
    assert "\n" not in line
    assert "msgspec" not in line


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)]
)
def test_a_boolean_says_what_it_means(text: str, value: bool) -> None:
    """The text "false" is not true because it isn't empty."""
    assert load(ExampleSettings, {"EXAMPLE_PATH": "/", "EXAMPLE_OPEN": text}).example_open is value


def test_a_missing_variable_is_named_in_one_line() -> None:
    """What has no default must be set."""
    with pytest.raises(SettingsError) as caught:
        load(ExampleSettings, {})
    assert str(caught.value) == "EXAMPLE_PATH is not set, and it has no default"
    assert caught.value.exit_code == 2


def test_a_misspelt_variable_is_refused() -> None:
    """A variable of ours that no program knows would otherwise silently do nothing."""
    with pytest.raises(SettingsError, match="IRIS_HOEM is set") as caught:
        load(ExampleSettings, {"EXAMPLE_PATH": "/srv", "IRIS_HOEM": "/srv/iris"})
    assert "IRIS_HOME" in str(caught.value)


def test_another_programs_variable_is_none_of_ours() -> None:
    """One environment serves several programs, each of which reads its own."""
    environ = {"EXAMPLE_PATH": "/srv", "IRIS_HOME": "/srv/iris", "PATH": "/bin", "IRISH": "1"}
    assert load(ExampleSettings, environ).example_path == "/srv"


def test_settings_do_not_change() -> None:
    """They are read once, at the start."""
    settings = load(HomeSettings, {})
    with pytest.raises(AttributeError):
        settings.iris_home = "elsewhere"  # type: ignore[misc]  # the very thing under test


def test_one_machine_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing set, everything is in `.iris` below the working folder, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    settings = load(MlflowSettings, {})
    assert settings.home == tmp_path / ".iris"
    assert settings.store_uri == str(tmp_path / ".iris" / "store")
    assert settings.tracking_uri == f"sqlite:///{tmp_path / '.iris' / 'mlflow.db'}"
    assert settings.database == tmp_path / ".iris" / "mlflow.db"
    assert list(tmp_path.iterdir()) == []


def test_store_and_mlflow_can_be_elsewhere() -> None:
    """Each is moved by its own address; only what is not moved is in `IRIS_HOME`."""
    environ = {"IRIS_STORE": "azure://irisml", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    settings = load(MlflowSettings, environ)
    assert settings.store_uri == "azure://irisml"
    assert settings.tracking_uri == "http://mlflow:5000"
    assert settings.database is None


@pytest.mark.parametrize("name", ["", "Prod", "../prod", "prod/1", "-", "a" * 32])
def test_an_environments_name_can_be_a_folder(name: str) -> None:
    """The name is part of the ledger's blob names."""
    with pytest.raises(SettingsError, match="IRIS_ENV"):
        load(HomeSettings, {"IRIS_ENV": name})
