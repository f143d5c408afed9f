"""MLServer: two settings files and its scikit-learn runtime (https://mlserver.readthedocs.io/).

`max_batch_size` and `max_batch_time` switch its adaptive batching on: 64 requests, 5 ms.
"""

import json
import os
import sys
from pathlib import Path

folder, http, grpc, metrics = sys.argv[1:]

settings = {
    "debug": False,
    "host": "127.0.0.1",
    "http_port": int(http),
    "grpc_port": int(grpc),
    "metrics_port": int(metrics),
}
model = {
    "name": "iris",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": os.environ["BENCH_MODEL"]},
    "max_batch_size": 64,
    "max_batch_time": 0.005,
}
(Path(folder) / "settings.json").write_text(json.dumps(settings))
(Path(folder) / "model-settings.json").write_text(json.dumps(model))

program = Path(sys.executable).parent / "mlserver"
os.execv(program, [str(program), "start", folder])  # noqa: S606 - no shell is wanted
