"""The gateway's page of metrics; `docs/observability.md` tells what each is for."""

from serving.exposition import build_info, counter, gauge, histogram, page
from serving.gateway.coalescing import Coalescer
from serving.gateway.instances import Instances
from serving.gateway.metrics import Metrics
from serving.process_figures import process_figures


def metrics_page(metrics: Metrics, coalescer: Coalescer, instances: Instances) -> bytes:
    """Return all that is counted, and what is now."""
    calls = coalescer.figures
    listed = instances.all
    serving = {instance.model.id for instance in instances.ready if instance.model is not None}
    return page(
        *metrics.families(instances.release),
        gauge("iris_gateway_queue_rows", "Rows that wait.", [({}, coalescer.queued_rows)]),
        gauge("iris_gateway_queue_rows_limit", "The most that may.", [({}, coalescer.queue_rows)]),
        histogram(
            "iris_gateway_queue_wait_seconds",
            "Of the oldest request of a call, until the call was made.",
            [({}, calls.waits)],
        ),
        gauge("iris_gateway_calls", "Calls of inference under way.", [({}, coalescer.under_way)]),
        gauge("iris_gateway_calls_limit", "The most that may be.", [({}, coalescer.places)]),
        histogram("iris_gateway_call_rows", "Rows of a call.", [({}, calls.rows)]),
        histogram(
            "iris_gateway_call_duration_seconds",
            "Of a call, by what came of it.",
            (({"outcome": outcome}, took) for outcome, took in calls.durations.items()),
        ),
        counter(
            "iris_gateway_call_retries_total",
            "Calls made again on another instance.",
            [({}, instances.retries)],
        ),
        gauge("iris_gateway_instances", "Inference instances listed.", [({}, len(listed))]),
        gauge("iris_gateway_instances_ready", "Ready ones.", [({}, len(instances.ready))]),
        gauge(
            "iris_gateway_instances_failing",
            "Those whose latest call failed, since a probe found them ready.",
            [({}, sum(instance.fails for instance in listed))],
        ),
        gauge(
            "iris_gateway_model_info",
            "A release that a ready instance serves; always 1.",
            (
                ({"name": name, "version": version, "sha256": sha256}, 1)
                for name, version, sha256 in sorted((i.name, i.version, i.sha256) for i in serving)
            ),
        ),
        build_info("gateway"),
        process_figures(),
    )
