import pytest

from training.dataset import load_table
from training.table import Table


@pytest.fixture(scope="session")
def iris() -> Table:
    """Scikit-learn's iris."""
    return load_table(None)
