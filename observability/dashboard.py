"""Makes `dashboard.json`, the dashboard for Grafana: `make dashboard`.

The panels stand here as data: what each shows, in which unit, and what to do about it. All else
that Grafana wants to be told is the same for each, and is added.
"""

import json
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any

COLUMNS = 24
HEIGHT = 8

# Each panel's expressions name these variables; the releases are those of the gateway's requests.
OF = 'instance=~"$instance"'
BY = f'{OF},version=~"$release"'
RATE = "[$__rate_interval]"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """One plot, or a table where `table` is set."""

    title: str
    unit: str
    says: str
    """What is seen, and what to do."""
    alerts: tuple[str, ...]
    """Those whose sections of the runbook go on from here; none where no alert is near."""
    queries: dict[str, str]
    """Expressions by their legend."""
    table: bool = False
    limits: tuple[float, ...] = ()
    """Drawn as lines."""
    low: float | None = 0
    """Where the axis begins."""


def mean(name: str, labels: str = OF, by: str = "") -> str:
    """Return the mean of a histogram over the rate's interval."""
    rates = [f"sum{by}(rate({name}_{part}{{{labels}}}{RATE}))" for part in ("sum", "count")]
    return " / ".join(rates)


def quantile(share: float, name: str, by: str = "", labels: str = OF) -> str:
    """Return a quantile of a histogram, for each value of the labels `by`."""
    labelled = ", ".join(filter(None, (by, "le")))
    rate = f"rate({name}_bucket{{{labels}}}{RATE})"
    return f"histogram_quantile({share}, sum by ({labelled}) ({rate}))"


def rate(name: str, by: str, labels: str = OF) -> str:
    """Return how fast a counter grows, for each value of the labels `by`."""
    summed = f"sum by ({by})" if by else "sum"
    return f"{summed} (rate({name}{{{labels}}}{RATE}))"


REAL = f'traffic="real",{BY}'
ANSWERED = f'outcome="ok",{REAL}'
SHED = "queue-full|would-be-late|was-late|overloaded|deadline-exceeded"
WINDOWS = ("5m", "30m", "1h", "6h", "3d")

ROWS: dict[str, list[Panel]] = {
    "Error budget": [
        Panel(
            "Unanswered requests, in multiples of what the budget allows",
            "none",
            "At 1 the 30 days' budget of 1 in 1,000 is spent just at their end. Above 14.4 (5m and "
            "1h) or 6 (30m and 6h) somebody is woken: see why in the next row.",
            ("IrisErrorsBurnFast", "IrisErrorsBurnSlowly"),
            {w: f"iris:unanswered:ratio_rate{w} / 0.001" for w in WINDOWS},
            limits=(1, 6, 14.4),
        ),
        Panel(
            "Answers slower than 100 ms, in multiples of what the budget allows",
            "none",
            "The same for the budget of 1 in 100. Where the time goes: queue and calls, below.",
            ("IrisSlownessBurnFast", "IrisSlownessBurnSlowly"),
            {w: f"iris:slow:ratio_rate{w} / 0.01" for w in WINDOWS},
            limits=(1, 6, 14.4),
        ),
    ],
    "Traffic": [
        Panel(
            "Real requests, by release and outcome",
            "reqps",
            "A `server_error` that begins with a release: `iris rollback`. A `client_error` is a "
            "client's to mend.",
            ("IrisErrorsBurnFast",),
            {
                "{{version}} {{outcome}}": rate(
                    "iris_gateway_requests_total", "version, outcome", REAL
                )
            },
        ),
        Panel(
            "Duration of answers, by release",
            "s",
            "From the whole request to its written answer. A release that is slower than the one "
            "before: `iris rollback`. Slow without a new release: see queue wait, calls and model.",
            ("IrisSlownessBurnFast", "IrisSlownessBurnSlowly"),
            {
                f"{{{{version}}}} {name}": quantile(
                    share, "iris_gateway_request_duration_seconds", "version", ANSWERED
                )
                for name, share in (("half", 0.5), ("99 %", 0.99))
            },
            limits=(0.1,),
        ),
        Panel(
            "Requests without an answer, by reason",
            "reqps",
            "Each reason has its own remedy; the first step of the runbook's section names them.",
            ("IrisErrorsBurnFast", "IrisErrorsBurnSlowly"),
            {"{{reason}}": rate("iris_gateway_unanswered_total", "reason")},
        ),
        Panel(
            "All requests, by route and status",
            "reqps",
            "Many 401: a key has run out. Many 404: somebody scans. Many 422: a client sends what "
            "the model does not take.",
            (),
            {"{{route}} {{status}}": rate("iris_gateway_http_requests_total", "route, status", BY)},
        ),
    ],
    "Saturation": [
        Panel(
            "Rows that wait, and the most that may",
            "short",
            "Half full for minutes: more inference instances.",
            ("IrisQueueFills",),
            {
                "{{instance}}": f"iris_gateway_queue_rows{{{OF}}}",
                "{{instance}} limit": f"iris_gateway_queue_rows_limit{{{OF}}}",
            },
        ),
        Panel(
            "Wait for a call",
            "s",
            "Of the oldest request of each call: the earliest sign that inference is too little.",
            ("IrisQueueFills", "IrisSlownessBurnFast"),
            {
                "half": quantile(0.5, "iris_gateway_queue_wait_seconds"),
                "99 %": quantile(0.99, "iris_gateway_queue_wait_seconds"),
            },
        ),
        Panel(
            "Rows a call",
            "short",
            "Grows under load, as requests are coalesced; mostly 1 under load means that nothing "
            "is coalesced, and calls cost the most.",
            ("IrisShedsLoad",),
            {
                "gateway": mean("iris_gateway_call_rows"),
                "gateway, 99 %": quantile(0.99, "iris_gateway_call_rows"),
                "model": mean("iris_inference_model_rows"),
            },
        ),
        Panel(
            "Calls in flight, and the most that may be",
            "short",
            "Always at the limit: inference is the bottleneck.",
            ("IrisShedsLoad", "IrisGatewayFull"),
            {
                "{{instance}}": f"iris_gateway_calls{{{OF}}}",
                "{{instance}} limit": f"iris_gateway_calls_limit{{{OF}}}",
            },
        ),
        Panel(
            "Shed, or past the deadline",
            "reqps",
            "Refused, as there is more work than can be done in time: more inference, or a gateway "
            "where that one is full. `deadline-exceeded`: calls hang.",
            ("IrisShedsLoad", "IrisGatewayFull"),
            {
                "{{reason}}": rate(
                    "iris_gateway_unanswered_total", "reason", f'reason=~"{SHED}",{OF}'
                )
            },
        ),
        Panel(
            "Rows that nobody waited for any more",
            "rowsps",
            "They reached inference too late, and the model was not asked: more work arrives than "
            "is done.",
            ("IrisShedsLoad",),
            {"{{instance}}": rate("iris_inference_late_rows_total", "instance")},
        ),
    ],
    "Upstream": [
        Panel(
            "Instances: listed, ready, failing",
            "short",
            "0 ready: nothing is answered. There is no circuit breaker: one that fails gets calls "
            "last until a probe finds it ready. One that goes on failing is to be ended.",
            ("IrisNothingReady", "IrisInstanceFailing", "IrisGatewayAbsent"),
            {
                "{{instance}} listed": f"iris_gateway_instances{{{OF}}}",
                "{{instance}} ready": f"iris_gateway_instances_ready{{{OF}}}",
                "{{instance}} failing": f"iris_gateway_instances_failing{{{OF}}}",
            },
        ),
        Panel(
            "Calls made again on another instance",
            "ops",
            "One instance is ill, though clients see nothing of it.",
            ("IrisInstanceFailing",),
            {"{{instance}}": rate("iris_gateway_call_retries_total", "instance")},
        ),
        Panel(
            "Duration of calls, by what came of them",
            "s",
            "With all tries. What the model does not take is network and BentoML.",
            ("IrisSlownessBurnFast", "IrisInstanceFailing"),
            {
                "{{outcome}} half": quantile(0.5, "iris_gateway_call_duration_seconds", "outcome"),
                "{{outcome}} 99 %": quantile(0.99, "iris_gateway_call_duration_seconds", "outcome"),
            },
        ),
        Panel(
            "Inference: requests, by route and status",
            "reqps",
            "504 on `/predict`: callers had given up. 503: the batcher refuses.",
            ("IrisShedsLoad",),
            {"{{route}} {{status}}": rate("iris_inference_requests_total", "route, status")},
        ),
    ],
    "Model": [
        Panel(
            "Duration of the model's calls",
            "s",
            "Without BentoML. Grows with a release: `iris rollback`. Without one: the CPU is "
            "short.",
            ("IrisSlownessBurnFast",),
            {
                f"{{{{instance}}}} {name}": quantile(
                    share, "iris_inference_model_duration_seconds", "instance"
                )
                for name, share in (("half", 0.5), ("99 %", 0.99))
            },
        ),
        Panel(
            "Status of each instance, with its error",
            "none",
            "`failed` stays so: the reason in words is in `GET /health/ready` and in the log.",
            ("IrisInstanceFailed", "IrisNothingReady"),
            {"": f"iris_inference_status{{{OF}}} == 1"},
            table=True,
        ),
        Panel(
            "Releases and digests",
            "none",
            "What each instance serves. Two for longer than a rollout takes: `iris status`.",
            ("IrisReleasesDiffer",),
            {"": f"iris_inference_model_info{{{BY}}}"},
            table=True,
        ),
    ],
    "Predictions": [
        Panel(
            "Mix of labels, of the last hour and of the last week",
            "percentunit",
            "A quarter from that of the week: see whether it began with a release.",
            ("IrisLabelsMoved",),
            {
                "{{label}} 1h": "iris:predictions:share_increase1h",
                "{{label}} 7d": "iris:predictions:share_increase7d",
            },
        ),
        Panel(
            "Mix of labels of the last day, by release, and that of its training rows",
            "percentunit",
            "Far apart for an hour: other flowers than those of the training, or a wrong release. "
            "No training line: the model file does not tell.",
            ("IrisLabelsUnlikeTraining",),
            {
                "{{version}} {{label}}": 'iris:predictions:share_increase1d{version=~"$release"}',
                "{{version}} {{label}} training": 'iris:training:share{version=~"$release"}',
            },
        ),
        Panel(
            "Values outside of the training range",
            "percentunit",
            "One feature: a unit or a column mixed up. All of them: other flowers, so train again.",
            ("IrisOutOfRange",),
            {
                "{{feature}}": (
                    f"sum by (feature) (increase(iris_gateway_out_of_range_total{{{BY}}}[1h])) "
                    "/ ignoring (feature) group_left () "
                    f"sum(increase(iris_gateway_predictions_total{{{BY}}}[1h]))"
                )
            },
            limits=(0.05,),
        ),
        Panel(
            "Middle value of each feature",
            "none",
            "Of a sample, over an hour. A step is another unit or another population; compare with "
            "the training range in `GET /v1/model`.",
            ("IrisOutOfRange", "IrisLabelsMoved"),
            {
                "{{feature}}": (
                    "histogram_quantile(0.5, sum by (feature, le) "
                    f"(rate(iris_gateway_feature_value_bucket{{{BY}}}[1h])))"
                )
            },
            low=None,
        ),
    ],
    "Processes": [
        Panel(
            "CPU time a second",
            "percentunit",
            "A gateway is one thread: near 100 % it is full, and another one is due.",
            ("IrisGatewayFull",),
            {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{OF}}}{RATE})"},
            limits=(0.9,),
        ),
        Panel(
            "Memory",
            "bytes",
            "Keeps growing over days: a leak. Restart the process, and report it.",
            (),
            {"{{job}} {{instance}}": f"process_resident_memory_bytes{{{OF}}}"},
        ),
        Panel(
            "Time since the start",
            "s",
            "Back at 0 without a release: the process died, and its log says why.",
            ("IrisGatewayAbsent", "IrisInstanceFailed"),
            {"{{job}} {{instance}}": f"time() - process_start_time_seconds{{{OF}}}"},
        ),
        Panel(
            "Open files and connections, of the most that may be",
            "percentunit",
            "Near 100 %: clients leave connections open.",
            (),
            {
                "{{job}} {{instance}}": f"process_open_fds{{{OF}}} / process_max_fds{{{OF}}}",
            },
        ),
    ],
    "Promotion": [
        Panel(
            "Gateways that see a release served",
            "short",
            "Two at a time are a rollout. For longer: `iris status`.",
            ("IrisReleasesDiffer",),
            {
                "{{version}}": f"count by (version) (iris_gateway_model_info{{{BY}}})",
            },
        ),
        Panel(
            "How long an operation has been open",
            "s",
            "A promotion or rollback that nobody ends. `iris status` says which, and by whom. "
            "Without a line `iris exporter` is not scraped, or can't read the ledger.",
            ("IrisOperationOpen", "IrisLedgerUnreadable"),
            {"open": "iris_ledger_open_operation_seconds"},
            limits=(3600,),
        ),
        Panel(
            "Synthetic requests, by release and outcome",
            "reqps",
            "Up to five a second while a promotion watches its release. Where too many fail it "
            "goes back by itself, and `iris history` says why.",
            (),
            {
                "{{version}} {{outcome}}": rate(
                    "iris_gateway_requests_total", "version, outcome", f'traffic="synthetic",{BY}'
                )
            },
        ),
    ],
}
"""The panels by row, from the top of the page to its bottom."""


def dashboard() -> dict[str, Any]:
    """Return what Grafana is given."""
    ids = count(1)
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        panels.append(
            {
                "id": next(ids),
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        across = 2 if len(row) in (2, 4) else 3
        width = COLUMNS // across
        for number, panel in enumerate(row):
            line, column = divmod(number, across)
            place = {"h": HEIGHT, "w": width, "x": column * width, "y": top + 1 + line * HEIGHT}
            panels.append({"id": next(ids), "gridPos": place, **_panel(panel)})
        top += 1 + -(-len(row) // across) * HEIGHT
    return {
        "uid": "iris",
        "title": "Iris ML API",
        "description": "What it does, whether it can do it, what it is asked to do it with.",
        "tags": ["iris"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    links = [f"[{a}](${{repository}}docs/runbook.md#{a.lower()})" for a in panel.alerts]
    runbook = f"\n\nRunbook: {', '.join(links)}" if links else ""
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.low is not None:
        defaults["min"] = panel.low
    if panel.limits:
        steps: list[dict[str, Any]] = [{"color": "transparent", "value": None}]
        steps += [{"color": "red", "value": limit} for limit in panel.limits]
        defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    made = {
        "type": "table" if panel.table else "timeseries",
        "title": panel.title,
        "description": panel.says + runbook,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expression}
            | ({"format": "table", "instant": True} if panel.table else {"legendFormat": legend})
            for number, (legend, expression) in enumerate(panel.queries.items())
        ],
    }
    if panel.table:
        hidden = {"Time": True, "Value": True, "__name__": True}
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return made


def _variables() -> list[dict[str, Any]]:
    """Return what is chosen at the top of the page."""
    everything = {"text": "All", "value": "$__all"}
    several = {"type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1, "multi": True}
    several |= {"includeAll": True, "current": everything}
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "label": "Instance",
            "query": 'label_values({__name__=~"iris_(gateway|inference)_build_info"}, instance)',
            **several,
        },
        {
            "name": "release",
            "label": "Release",
            "query": "label_values(iris_gateway_requests_total, version)",
            "allValue": ".*",  # also what was answered while no release served
            **several,
        },
        {
            "name": "repository",
            "label": "Base of links",
            "description": "What stands before docs/runbook.md in links, with a slash at its end.",
            "type": "textbox",
            "query": "",
        },
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n")
