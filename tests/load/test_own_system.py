"""The load suite on a system that it trains, promotes and serves itself."""

from pathlib import Path

import pytest

from tests.load.suite import LAX, Load

PATIENCE_S = 500
pytestmark = pytest.mark.timeout(PATIENCE_S + 60)

# A machine that is busy is slower, but loses nothing.
OBJECTIVES = f"""{LAX}
[promote]
error_share = 0
shed_share = 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the system is kept, so that it is trained once."""
    folder = tmp_path_factory.mktemp("load")
    (folder / "own.toml").write_text(OBJECTIVES)
    return folder


def test_no_request_is_lost_while_releases_come_and_go(folder: Path) -> None:
    """A promotion and a rollback under load: all answered, each rightly by the release it names."""
    ended = Load(
        folder,
        patience_s=PATIENCE_S,
        PROFILE="promote",
        PROMOTIONS=1,
        RATE=50,
        FOR="200s",
        OBJECTIVES=folder / "own.toml",
    ).end()
    assert ended.code == 0, ended.said
    answered = [name for second in ended.run["seconds"] for name in second["releases"]]
    assert len(set(answered)) == 2
    assert [done["failure"] for done in ended.run["operations"]] == ["", ""]
    assert ended.run["figures"]["wrong"] == ended.run["figures"]["unjudged"] == 0


def test_a_knee_is_found(folder: Path) -> None:
    """By steps that held and others that did not, whichever of service and generator gives out."""
    own = folder / "half-a-core.toml"
    own.write_text(OBJECTIVES.replace("cpu_share = 2", "cpu_share = 0.5"))
    ended = Load(
        folder, patience_s=PATIENCE_S, PROFILE="ramp", RATE=400, FOR="1s", OBJECTIVES=own
    ).end()
    assert ended.run["knee"].startswith("the knee: "), ended.said
    states = {step["state"] for step in ended.run["steps"]}
    assert "held" in states
    assert len(states) > 1
    assert ended.run["figures"]["wrong"] == 0
