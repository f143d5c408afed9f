import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from load_tests.suite import profile as profiles
from load_tests.suite.errors import UsageError
from load_tests.suite.profile import names, read, scaled
from tests.unit.project.pyproject import ROOT


@pytest.mark.parametrize("name", names())
def test_every_profile_can_be_read(name: str) -> None:
    """A misspelt key is refused, so what stands in a file counts."""
    assert read(name).name == name


def test_the_page_tells_of_every_profile() -> None:
    """Who reads a verdict finds what was sent."""
    page = (ROOT / "docs" / "load-testing.md").read_text()
    assert sorted(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == names()


def test_a_spike_is_ten_times_the_load_at_once() -> None:
    """From one phase to the next, with nothing between."""
    before, spike, _ = read("spike").phases
    assert spike.rate == 10 * before.rate


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title = 'x'", "phases"),
        ("title = 'x'\nkind = 'ramp'", "search"),
        ("title = 'x'\n[mix]\nsingle = 0.9", "1.1"),
        ("title = 'x'\nrates = 3", "rates"),
        (
            "title = 'x'\nkind = 'promote'\n"
            + "[[phases]]\nname = 'a'\nrate = 1\nseconds = 1\n" * 2,
            "one phase",
        ),
        ("title = 'x'\n[[phases]]\nname = 'a'\nrate = 0\nseconds = 1", "rate"),
        ("title =", "odd.toml"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, with what is wrong in it."""
    (tmp_path / "odd.toml").write_text(text)
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    with pytest.raises(UsageError, match=re.escape(why)):
        read("odd")


def test_an_unknown_profile_is_refused_with_those_that_there_are() -> None:
    """A typing mistake is told with what would be right."""
    with pytest.raises(UsageError, match="smoke"):
        read("smok")


def test_rate_and_time_scale_the_whole_shape() -> None:
    """A spike stays ten times what it was, and a warm-up as long in proportion."""
    found = scaled(read("spike"), 20, 3)
    assert [phase.rate for phase in found.phases] == pytest.approx([20, 200, 20])
    assert found.seconds == pytest.approx(3)
    steady = scaled(read("steady"), 800, None)
    assert [phase.rate for phase in steady.phases] == pytest.approx([400, 800])
    assert steady.seconds == read("steady").seconds


def test_time_is_that_of_a_step_where_the_knee_is_looked_for() -> None:
    """A search takes as many steps as it needs."""
    search: Any = scaled(read("ramp"), None, 9).search
    assert msgspec.structs.asdict(search)["seconds"] == 9
