"""The Bento that `bentoml build` makes from `bentofile.yaml`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from artifacts.digests import sha256_hex
from artifacts.release import registry_release
from serving import __version__
from serving.supervisor.ports import LOOPBACK
from tests.integration.serving.processes import Inference, free_port
from tests.support.model_files import ROWS, model_file, probabilities

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Bento, in a BENTOML_HOME of its own."""
    home = tmp_path_factory.mktemp("bentoml")
    environ = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "build", "--version", "test"]
    subprocess.run(command, cwd=REPOSITORY, env=environ, check=True, capture_output=True)
    return home / "bentos" / "iris_classifier" / "test"


def test_bentoml_serve_of_the_bento_serves_it(bento: Path, tmp_path: Path) -> None:
    """What BentoML built, BentoML serves, warm and with the release's name on it."""
    data = model_file()
    (tmp_path / "model.onnx").write_bytes(data)
    environ = {
        **registry_release(4, sha256_hex(data)).environ(),
        "MODEL_PATH": str(tmp_path / "model.onnx"),
        "INFERENCE_PORT": str(free_port()),
    }
    command = ("bentoml", "serve", str(bento), "--host", LOOPBACK)
    with Inference(environ, tmp_path, (*command, "--port", environ["INFERENCE_PORT"])) as process:
        response = process.until_ready().client.post("/predict", json={"rows": ROWS})
        np.testing.assert_allclose(response.json(), probabilities(np.array(ROWS)), atol=1e-12)
        assert response.headers["X-Model-Version"] == "4"


def printed(bento: Path, program: str) -> str:
    """Return what a program prints that finds the Bento's files, and no others of ours."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=bento / "src",
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_bento_holds_all_that_it_imports(bento: Path) -> None:
    """Nothing of the service comes from the machine that built it."""
    program = (
        "import sys, bentos.__main__, bentos.service, serving.download_model;"
        "print(*(m.__file__ for n, m in sys.modules.items()"
        " if n.split('.')[0] in ('artifacts', 'bentos', 'serving')), sep='\\n')"
    )
    paths = [Path(line).resolve() for line in printed(bento, program).split()]
    assert paths
    assert all(path.is_relative_to(bento.resolve()) for path in paths)


def test_the_bento_knows_its_version(bento: Path) -> None:
    """The page of metrics names the program, though no installed package is around it."""
    program = (
        "from importlib import metadata; del metadata.version;"
        "from serving.exposition import build_info; print(*build_info('inference'))"
    )
    assert f'iris_inference_build_info{{version="{__version__}"' in printed(bento, program)


def test_the_bentos_libraries_are_locked_and_hold_nothing_of_training(bento: Path) -> None:
    """No MLflow, no scikit-learn, no pandas; each library with its version and its hashes."""
    text = (bento / "env" / "python" / "requirements.txt").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
    assert {"bentoml", "numpy", "onnxruntime"} <= names
    assert not {"mlflow", "mlflow-skinny", "scikit-learn", "pandas", "onnx"} & names
    assert "--hash=sha256:" in text
    assert "://" not in text
