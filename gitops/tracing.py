"""Tells OpenTelemetry of syncs: one trace for each, from the commit's sight to its health, each step a span of it.

On where the environment says where to send them, as OpenTelemetry's own libraries read it (OTEL_EXPORTER_OTLP_ENDPOINT
or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SERVICE_NAME, ...), and the extra `tracing` is installed. Nothing of it is
imported else. A span says which objects were written and how they are; no value of any is in it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gitops.logs import Log, shortened
from gitops.model.result import Outcome
from gitops.sync import events

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

log = Log()
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_END_SECONDS: Final = 3.0
_ERRORS: Final = frozenset({None, Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.OVERTAKEN})
# Hears of each event, with the Application's identity.
Traced = Callable[[str, events.Event], None]


@contextlib.contextmanager
def tracing(
    variables: Mapping[str, str], version: str, seconds_since_seen: Callable[[str], float] = lambda _: 0.0
) -> Iterator[Traced | None]:
    """What hears of syncs and tells of them; None where nobody asks for it. What is not sent at the end is lost.

    `seconds_since_seen` is how long ago an Application's commit was first seen, 0 where that is not known.
    """
    endpoint = next((name for name in _ENDPOINTS if variables.get(name)), "")
    if not endpoint or variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        log.warning(
            "tracing.not-installed", reason=f"{endpoint} is set; pip install 'gitops-controller[tracing]', or unset it"
        )
        yield None
        return
    name = variables.get("OTEL_SERVICE_NAME") or "gitops"
    resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    within = TraceContextTextMapPropagator().extract({"traceparent": variables.get("TRACEPARENT", "")})
    traces = SyncTraces(provider.get_tracer("gitops", version), within, seconds_since_seen)
    try:
        yield traces.heard
    finally:
        traces.end()
        # It sends what there is first, and a collector that says nothing must not keep anybody from ending.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_END_SECONDS)


@dataclass(slots=True)
class _Trace:
    """One sync that is under way: its own span, and that of the step that is."""

    span: "Span"
    within: "Context"
    step: "Span | None" = None

    @property
    def now(self) -> "Span":
        return self.step or self.span


class SyncTraces:
    """Makes spans of what passes tell; each trace hangs below `within`."""

    def __init__(self, tracer: "Tracer", within: "Context", seconds_since_seen: Callable[[str], float]) -> None:
        self._tracer = tracer
        self._within = within
        self._seconds_since_seen = seconds_since_seen
        self._open: dict[str, _Trace] = {}

    def heard(self, application: str, event: events.Event) -> None:
        """For the event bus."""
        if isinstance(event, events.PlanMade):
            self._begin(application, event)
            return
        trace = self._open.get(application)
        if trace is None:
            return
        match event:
            case events.StepStarted(step):
                name = f"{step.phase.name.lower().replace('_', '-')} wave {step.wave}"
                self._step(trace, name, {"gitops.changes": len(step.changes)})
            case events.RollingBack(reason, revision):
                self._step(trace, "rollback", {"gitops.revision": revision, "gitops.reason": shortened(reason)})
            case events.Wrote(changed):
                trace.now.add_event(changed.verb, {"gitops.object": str(changed.key)})
            case events.Refused(failure):
                said = {"gitops.object": str(failure.key), "gitops.reason": shortened(failure.reason)}
                trace.now.add_event("refused", said)
            case events.HealthChanged(key, health):
                trace.now.add_event("health", {"gitops.object": str(key), "gitops.health": health.word.value})
            case events.Finished(result):
                self._finish(application, result.outcome, result.message)
            case _:  # a hold: how it ended says so
                pass

    def end(self) -> None:
        """Nothing more is heard: what is under way has been cut short."""
        for application in list(self._open):
            self._finish(application, None, "it was cut short")

    def _begin(self, application: str, made: events.PlanMade) -> None:
        from opentelemetry.trace import set_span_in_context

        if application in self._open:  # a pass that was cancelled tells of no end
            self._finish(application, None, "it was cut short")
        plan, now = made.plan, time.time_ns()
        began = now - int(max(self._seconds_since_seen(application), 0.0) * 1e9)
        facts = {
            "gitops.application": application,
            "gitops.revision": plan.revision.sha,
            "gitops.plan": plan.id,
            "gitops.changes": len(plan.changes),
        }
        span = self._tracer.start_span(f"sync {application}", self._within, attributes=facts, start_time=began)
        within = set_span_in_context(span, self._within)
        self._tracer.start_span("source and plan", within, start_time=began).end(now)
        self._open[application] = _Trace(span, within)

    def _step(self, trace: _Trace, name: str, facts: dict[str, Any]) -> None:
        if trace.step is not None:
            trace.step.end()
        trace.step = self._tracer.start_span(name, trace.within, attributes=facts)

    def _finish(self, application: str, outcome: Outcome | None, message: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        trace = self._open.pop(application)
        if trace.step is not None:
            trace.step.end()
        trace.span.set_attribute("gitops.outcome", outcome.value if outcome else "interrupted")
        if outcome in _ERRORS:
            trace.span.set_status(Status(StatusCode.ERROR, shortened(message)))
        trace.span.end()
