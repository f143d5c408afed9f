"""The settings of all programs, the list of names that are ours, and their page."""

import importlib
import re
from pathlib import Path

from artifacts.settings import IRIS_VARIABLES, Settings
from tests.unit.project.pyproject import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()
PARTS = ("artifacts", "bentos", "registry", "serving", "training")
# Read by libraries, or for a release (`artifacts.release`), and so in no class.
IN_NO_CLASS = {
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_CONNECTION_STRING",
    "KUBECONFIG",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_USERNAME",
    "MODEL_BLOB_NAME",
    "MODEL_SHA256",
    "MODEL_VERSION",
}


def sources() -> list[Path]:
    """Return every file of ours."""
    return [ROOT / "iris.py", *(path for part in PARTS for path in (ROOT / part).rglob("*.py"))]


def variables() -> set[str]:
    """Return the variables of every settings class, wherever it stands."""
    for path in sources():
        if re.search(r"^class \w+\(\w*Settings\b", path.read_text(), re.MULTILINE):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {name for cls in below(Settings) for name in cls.__struct_encode_fields__}


def below(cls: type[Settings]) -> set[type[Settings]]:
    """Return the classes of ours that are derived from `cls`."""
    found = {c for c in cls.__subclasses__() if c.__module__.partition(".")[0] in PARTS}
    return found.union(*map(below, found))


def test_the_list_of_our_names_is_that_of_the_classes() -> None:
    """A variable that is in no list would be refused; one that is in no class would do nothing."""
    assert {name for name in variables() if name.startswith("IRIS_")} == IRIS_VARIABLES


def test_no_variable_of_ours_is_read_past_the_classes() -> None:
    """Settings are read once, at the start, in one place a program."""
    pattern = re.compile(r"(?:environ\.get\(|environ\[|getenv\()\s*\"(IRIS_\w+)")
    read = {name for path in sources() for name in pattern.findall(path.read_text())}
    assert read == set()


def test_the_page_lists_what_the_programs_read() -> None:
    """An operator finds every variable on the page, and none that does nothing."""
    listed = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", PAGE, re.MULTILINE))
    assert listed == variables() | IN_NO_CLASS
