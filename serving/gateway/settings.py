"""The gateway's variables."""

from typing import Annotated

from msgspec import Meta

from artifacts.settings import EnvironmentName, Port, Settings

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """What the gateway reads from the environment; durations are in milliseconds."""

    gateway_host: str = "127.0.0.1"
    """The address to listen on."""
    gateway_port: Port = 8080
    """The port to listen on."""
    gateway_instances: str = ""
    """The file in which a supervisor lists the inference instances; read again on each change."""
    inference_url: str = "http://127.0.0.1:5000"
    """The inference instances where no such file is given: addresses separated by commas. A name is
    resolved again every second, and each address that it has is an instance."""
    gateway_api_keys_file: str = ""
    """A file with a line `name:sha256-of-the-key` for each key, read again on each change. Empty:
    no key is asked for."""
    gateway_api_keys_grace_ms: Annotated[int, Meta(ge=0)] = 60_000
    """How long a key is still good after it was taken out of that file."""
    gateway_max_rows: Count = 1024
    """The most rows that a request may hold."""
    gateway_max_body_bytes: Count = 256 * 1024
    """The most bytes that a request's body may have."""
    gateway_body_timeout_ms: Count = 10_000
    """How long a client may take to send a request, and to read a response."""
    gateway_request_timeout_ms: Count = 5_000
    """How long a valid request may wait for its answer, and the most that a client may ask for."""
    gateway_call_rows: Count = 1024
    """The most rows that coalescing puts in one call. A larger request is one call of its own."""
    gateway_calls_in_flight: Count = 2
    """The most calls at a time to one inference instance."""
    gateway_queue_rows: Count = 32_768
    """The most rows that wait for a call. What comes on top is refused at once."""
    gateway_record_share: Share = 0.01
    """The share of the answered requests that is recorded in the store; 0 switches that off."""
    gateway_record_batches: Count = 50
    """The most batches of records, of a thousand rows each, that are kept of a release."""
    gateway_log_share: Share = 0.001
    """The share of the answered requests that has a line in the log; refused ones all have one."""
    iris_store: str = ""
    """The store that the record goes to. Empty: nothing is recorded."""
    iris_env: EnvironmentName = "local"
    """The environment under whose name it lies there."""

    @property
    def inference_urls(self) -> list[str]:
        """The addresses in `INFERENCE_URL`; none where a file lists the instances."""
        if self.gateway_instances:
            return []
        return [url.strip() for url in self.inference_url.split(",")]
