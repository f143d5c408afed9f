"""The settings of the registry's commands."""

from typing import Annotated, Literal

from msgspec import Meta

from artifacts.settings import MlflowSettings, Port


class RegistrySettings(MlflowSettings, frozen=True, kw_only=True):
    """What the registry's commands work on."""

    iris_target: Literal["local", "kubernetes"] = "local"
    """Where releases serve: under this machine's supervisor, or in a cluster."""
    iris_cluster: str = ""
    """The cluster's name. With the namespace it is the target that the ledger belongs to."""
    kubernetes_namespace: str = "iris-ml"
    """The namespace in the cluster."""
    iris_supervisor_url: str = ""
    """The address of a supervisor elsewhere. Empty: the one of `IRIS_HOME`, which is found."""
    iris_supervisor_token: str = ""
    """The token for that address."""
    iris_rollout_timeout_s: Annotated[float, Meta(gt=0)] = 60.0
    """How long a release may take until every instance serves it, in seconds."""
    iris_gateway_key: str = ""
    """The key that the watch window's requests carry, where the gateway asks for one."""
    iris_gateway_url: str = ""
    """Where the watch window asks, with commas. Empty: every gateway that what serves knows of."""
    iris_gates_file: str = ""
    """A TOML file of thresholds that differ from `registry/gates/thresholds.toml`."""
    iris_crash_at: str = ""
    """For tests: the crash point at which the process kills itself."""
    iris_stop_at: str = ""
    """For tests: the crash point at which the process stops itself until SIGCONT."""

    @property
    def gateways(self) -> list[str]:
        """The addresses of `IRIS_GATEWAY_URL`."""
        return [url.strip().rstrip("/") for url in self.iris_gateway_url.split(",") if url.strip()]

    @property
    def alias(self) -> str:
        """The alias that names what serves."""
        return alias_of(self.iris_env)


def alias_of(environment: str) -> str:
    """Return the alias that names what serves: `champion`, and `champion-dev` in `dev`, say."""
    whole = environment in ("local", "prod")
    return "champion" if whole else f"champion-{environment}"


class ExporterSettings(RegistrySettings, frozen=True, kw_only=True):
    """The same, and where Prometheus asks."""

    exporter_host: str = "127.0.0.1"
    """The address to listen on."""
    exporter_port: Port = 9108
    """The port to listen on."""
