"""The controller's numbers, read when they are asked for: keeping them costs nothing in between."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gitops.controller.app import Controller
from gitops.controller.metrics import Histogram


class Numbers(Collector):
    """`gitops_*` metrics of one controller."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def collect(self) -> Iterator[Metric]:
        yield from self._applications()
        yield from self._work()
        yield from self._requests()

    def _applications(self) -> Iterator[Metric]:
        labels = ["namespace", "name", "health", "sync"]
        about = "1 for each Application that this replica runs"
        info = GaugeMetricFamily("gitops_application_info", about, labels=labels)
        drifted, seen = 0, 0
        for state in self._controller.index:
            if not self._controller.runs(state.identity):  # another replica tells of it
                continue
            app, standing = state.app, self._controller.snapshot(state)
            info.add_metric([app.namespace, app.name, standing.health.word.value, standing.sync], 1)
            drifted += bool(standing.last.drift)
            seen += state.drift.seen
        yield info
        wrong = len(self._controller.records.wrong_files)
        yield GaugeMetricFamily("gitops_files_wrong", "Files of Applications that cannot be read", wrong)
        yield GaugeMetricFamily("gitops_drift_open", "Applications that have drifted and are not corrected", drifted)
        yield CounterMetricFamily("gitops_drift_detected", "Times that drift was found", seen)

    def _work(self) -> Iterator[Metric]:
        controller = self._controller
        outcomes = CounterMetricFamily("gitops_sync", "Passes by how they ended", labels=["outcome"])
        for outcome, count in sorted(controller.tally.outcomes.items()):
            outcomes.add_metric([outcome], count)
        yield outcomes
        yield _histogram("gitops_sync_duration_seconds", "From a sync's start to its end", controller.tally.syncs)
        yield _histogram("gitops_reconcile_duration_seconds", "From a pass's start to its end", controller.tally.passes)
        yield _histogram(
            "gitops_commit_to_healthy_seconds", "From a commit's sight to its health", controller.tally.to_healthy
        )
        depth = GaugeMetricFamily("gitops_queue_depth", "Applications that wait for a pass", labels=["cluster"])
        for worker in controller.workers:
            depth.add_metric([worker.name or "in-cluster"], len(worker.queue))
        yield depth
        yield CounterMetricFamily("gitops_render_cache_hits", "Renders not done again", controller.renders.hits)
        yield CounterMetricFamily("gitops_render_cache_misses", "Renders done", controller.renders.misses)

    def _requests(self) -> Iterator[Metric]:
        controller = self._controller
        yield CounterMetricFamily("gitops_git_requests", "Looks at repositories", controller.poller.looks)
        yield CounterMetricFamily("gitops_audit_events", "Entries written to the audit log", controller.tally.audited)
        about = "Notifications by what became of them"
        notified = CounterMetricFamily("gitops_notifications", about, labels=["destination", "result"])
        for labels, count in sorted(controller.tally.notified.items()):
            notified.add_metric(list(labels), count)
        yield notified
        answers = CounterMetricFamily(
            "gitops_kubernetes_requests", "Answers of API servers", labels=["cluster", "verb", "code"]
        )
        for name, counts in controller.workers.request_counts().items():
            for (verb, code), count in sorted(counts.items()):
                answers.add_metric([name or "in-cluster", verb, str(code)], count)
        yield answers


def _histogram(name: str, text: str, timing: Histogram) -> Metric:
    buckets = [(bound, float(count)) for bound, count in timing.cumulated()]
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=timing.total)
