"""Syncs as traces, sent by OpenTelemetry's own exporter to a collector of the tests. Skipped where that is missing."""

import gzip
import http.server
import socket
import sys
import threading
import time
from functools import partial

import pytest

from gitops.adapters.clock import SystemClock
from gitops.tracing import tracing
from tests.scenarios.running import Running
from tests.scenarios.world import config_map, deployment

TRACES = "opentelemetry.proto.collector.trace.v1.trace_service_pb2"
CANARY = "s3cret-canary"
CLOCK = SystemClock()


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what is sent to /v1/traces."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies = []
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server_port}"}

    @property
    def spans(self):
        """All spans by name, with the resource's attributes."""
        service = pytest.importorskip(TRACES)
        found = {}
        for body in self.bodies:
            for resource in service.ExportTraceServiceRequest.FromString(body).resource_spans:
                facts = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found |= {span.name: (span, facts) for span in scope.spans}
        return found


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector(monkeypatch):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs gitops-controller[tracing]")
    server = Collector()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for name, value in server.environment.items():  # which its libraries read themselves
        monkeypatch.setenv(name, value)
    yield server
    server.shutdown()
    server.server_close()


def facts_of(span):
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_push_is_one_trace_from_its_sight_to_its_health(world, collector):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": CANARY}}
    first = world.commit(web=deployment(), settings=config_map("settings"), secret=secret)
    with (
        Running(world) as running,
        tracing(collector.environment, "1.2.3", partial(running.controller.index.since_seen, CLOCK)) as traced,
    ):
        running.until_synced(first)
        running.call(lambda: running.controller.bus.subscribe(traced))
        sha = world.commit(web=deployment(image="nginx:1.28"), settings=config_map("settings", a="2"))
        running.until_synced(sha)
    spans = collector.spans
    whole, service = spans["sync gitops/app"]
    assert (service["service.name"], service["service.version"]) == ("gitops", "1.2.3")
    facts = facts_of(whole)
    assert (facts["gitops.revision"], facts["gitops.outcome"]) == (sha, "synced")
    step, _ = spans["sync wave 0"]
    plan, _ = spans["source and plan"]
    assert {step.parent_span_id, plan.parent_span_id} == {whole.span_id}
    assert whole.start_time_unix_nano == plan.start_time_unix_nano < step.start_time_unix_nano
    assert step.end_time_unix_nano <= whole.end_time_unix_nano
    told = {(event.name, facts_of(event).get("gitops.object")) for event in step.events}
    assert ("updated", f"apps/Deployment {world.namespace}/web") in told
    assert CANARY not in str(collector.spans)


def test_a_pipelines_sync_hangs_below_its_own_trace_and_a_failure_is_an_error(world, collector, monkeypatch):
    world.commit(web=deployment(image="nginx:broken"))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    done = world.gitops(
        *("sync", str(world.repository), "--name", "app", "--namespace", world.namespace, "--timeout", "2s"),
        **collector.environment,
        TRACEPARENT=f"00-{trace}-{parent}-01",
    )
    assert done.returncode == 4
    whole, _ = next(found for name, found in collector.spans.items() if name.startswith("sync ") and "/" in name)
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (trace, parent)
    assert (facts_of(whole)["gitops.outcome"], whole.status.code) == ("failed", 2)
    assert "ImagePullBackOff" in whole.status.message


def test_a_collector_that_is_away_costs_a_sync_nothing_but_a_moment(world):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs gitops-controller[tracing]")
    world.commit(settings=config_map("settings"))
    began = time.monotonic()
    done = world.gitops(
        *("sync", str(world.repository), "--name", "app", "--namespace", world.namespace),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert (done.returncode, time.monotonic() - began < 15) == (0, True)


def test_a_collector_that_says_nothing_keeps_nobody_from_ending(world):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs gitops-controller[tracing]")
    world.commit(settings=config_map("settings"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        done = world.gitops(
            *("sync", str(world.repository), "--name", "app", "--namespace", world.namespace),
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )
        assert (done.returncode, time.monotonic() - began < 8) == (0, True)


def test_who_asks_for_traces_without_what_makes_them_is_told_and_syncs(monkeypatch, lines):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "test") as traced:
        assert traced is None
    (line,) = [line for line in lines if line["event"] == "tracing.not-installed"]
    assert "pip install 'gitops-controller[tracing]'" in line["reason"]


@pytest.mark.parametrize(
    "variables", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}], ids=["off", "disabled"]
)
def test_nothing_is_traced_and_loaded_where_nobody_asks(variables, lines):
    with tracing(variables, "test") as traced:
        assert traced is None
    assert lines == []
