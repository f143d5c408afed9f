"""The metrics that `docs/observability.md` explains, and those of a page that Prometheus gets."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"


def page_names(program: str) -> set[str]:
    """Return the names that the documentation has of a program, with those of every process."""
    text = PAGE.read_text(encoding="utf-8")
    prefixes = (f"iris_{program}_", "process_")
    listed = re.findall(r"^\| `(\w+)`", text, re.MULTILINE)
    return {name for name in listed if name.startswith(prefixes)}


def text_names(text: str) -> set[str]:
    """Return the names of the families of a page of metrics."""
    return set(re.findall(r"^# TYPE (\S+) \w+$", text, re.MULTILINE))


def sample_labels(text: str) -> dict[str, set[str]]:
    """Return the names of the samples of a page of metrics, each with the labels that it has."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(\{.*\})? \S+$", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found
