"""The supervisor's variables."""

from typing import Annotated

from msgspec import Meta

from artifacts.settings import HomeSettings, Port


class SupervisorSettings(HomeSettings, frozen=True, kw_only=True):
    """Where gateway, inference and supervisor listen, and how long a rollout may take.

    A port that is not set has a default, and is the next free one where that is in use.
    """

    gateway_url: str = ""
    """A gateway that runs elsewhere. Empty: one of this program's own, if it shall have one."""
    gateway_instances: str = ""
    """The file that lists the inference instances for it. Empty: a file in `IRIS_HOME`."""
    gateway_host: str = "127.0.0.1"
    """The address that a gateway of this program's own listens on."""
    gateway_port: Port | None = None
    """The gateway's port; 8080 where not set."""
    inference_host: str = "127.0.0.1"
    """The address that inference listens on, and that the gateway is told."""
    inference_port: Port | None = None
    """The first port for inference processes; 5000 where not set. A new release takes the next."""
    supervisor_host: str = "127.0.0.1"
    """The address that the control interface listens on, and that others are told."""
    supervisor_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """The port of the control interface; 0 is any free one."""
    iris_supervisor_token: str = ""
    """The token of the control interface. Empty: the one in `IRIS_HOME`, made where missing."""
    iris_rollout_timeout_s: Annotated[float, Meta(gt=0)] = 60.0
    """How long a new release may take until it is ready, in seconds."""
