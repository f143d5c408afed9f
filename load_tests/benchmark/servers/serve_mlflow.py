"""MLflow: a saved model and `mlflow models serve` (https://mlflow.org/docs/latest/)."""

import os
import sys
from pathlib import Path

import joblib
import mlflow.sklearn

folder, port = sys.argv[1:]
saved = Path(folder) / "saved"
if not saved.exists():
    mlflow.sklearn.save_model(
        joblib.load(os.environ["BENCH_MODEL"]),
        str(saved),
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )

program = Path(sys.executable).parent / "mlflow"
serve = ["models", "serve", "--model-uri", str(saved), "--env-manager", "local"]
where = ["--host", "127.0.0.1", "--port", port]
os.execv(program, [str(program), *serve, *where])  # noqa: S606 - no shell is wanted
