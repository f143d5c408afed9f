"""Settings of the inference service."""

from artifacts.settings import Port, Settings


class InferenceSettings(Settings, frozen=True, kw_only=True):
    """Where the model file lies, and where the service listens.

    The release that the file belongs to comes from `MODEL_VERSION`, `MODEL_BLOB_NAME` and
    `MODEL_SHA256`; see `artifacts.release`.
    """

    model_path: str
    """The model file, as `serving.download_model` has left it."""
    model_release: str = ""
    """The file in which `serving.download_model` has left word of the release, in a cluster, where
    it decides instead of the variables."""
    inference_host: str = "127.0.0.1"
    """The address to listen on."""
    inference_port: Port = 5000
    """The port to listen on."""
    inference_admin_port: Port | None = None
    """A port on which health, model and metrics are answered as well, and nothing else."""

    @property
    def own_url(self) -> str:
        """Where this very process answers, seen from inside the machine."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        host = everywhere.get(self.inference_host, self.inference_host)
        bracketed = f"[{host}]" if ":" in host else host
        return f"http://{bracketed}:{self.inference_port}"
