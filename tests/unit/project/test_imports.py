"""Who may import whom."""

from importlinter.cli import lint_imports

from tests.unit.project.pyproject import ROOT


def test_every_import_rule_is_kept() -> None:
    """The parts stay apart, and each foreign system has one adapter: see .importlinter."""
    assert lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True) == 0
