"""OpenTofu with the provider, for the length of the session."""

import pytest

from tests.azure.tofu import Tofu


@pytest.fixture(scope="session")
def tofu(tmp_path_factory: pytest.TempPathFactory) -> Tofu:
    """Build both, where no earlier run has: ten minutes on two cores."""
    return Tofu.build(tmp_path_factory.mktemp("azure"))
