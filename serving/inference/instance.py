"""How far this process has come in serving its one release."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from artifacts.errors import IrisError
from artifacts.settings import load
from serving.inference.served_model import ServedModel, load_served_model
from serving.inference.settings import InferenceSettings
from serving.replica_set import read_pinned

Status = Literal["loading", "ready", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Instance:
    """`loading`, until the path is warm: then `ready`. Or `failed`, with the reason, for ever."""

    def __init__(self) -> None:
        self.status: Status = "loading"
        self.reason = ""
        self.error = ""
        """The reason's kind: the name of the error."""
        self._served: ServedModel | None = None

    @property
    def served(self) -> ServedModel:
        """The loaded model.

        Raises:
            RuntimeError: nothing has been loaded; `status` tells.
        """
        if self._served is None:
            raise RuntimeError(self.reason or "the model is not loaded yet")
        return self._served

    @property
    def loaded(self) -> bool:
        """Whether there is a model to ask."""
        return self._served is not None

    def load(self, environ: Mapping[str, str] = os.environ) -> None:
        """Load the release that the environment names; once is enough.

        Raises:
            IrisError: it can't be served. The status is `failed` then.
        """
        if self.loaded:
            return
        try:
            settings = load(InferenceSettings, environ)
            if settings.model_release:
                environ = read_pinned(Path(settings.model_release)).release.environ()
            self._served = load_served_model(Path(settings.model_path), environ)
        except IrisError as error:
            self.fail(error)
            raise

    def warmed(self) -> None:
        """Note that the whole path has answered rightly."""
        self.status = "ready"

    def fail(self, error: IrisError) -> None:
        """Note why this process will never serve."""
        self.status, self.reason = "failed", error.in_one_line()
        self.error = type(error).__name__


INSTANCE = Instance()
"""This process's own. BentoML makes the service object itself, without arguments; so what the
process learnt before (`bentos.__main__`) is handed over here."""
