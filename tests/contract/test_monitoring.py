"""Alerts and the dashboard go by metrics that there are, and Prometheus' own tools take the rules."""

import asyncio
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric

from gitops.adapters.clock import SystemClock
from gitops.controller.app import Controller
from gitops.controller.render_cache import RenderCache
from gitops.server.metrics import Numbers

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/components/monitoring"
CASES = ROOT / "tests/data/monitoring/alerts.yaml"
OF_HISTOGRAMS = re.compile(r"_(bucket|sum|count)$")


@cache
def metrics() -> dict[str, set[str]]:
    """Each metric as Prometheus keeps it, with the labels that it may have."""

    async def told() -> list[Metric]:
        parts: dict[str, Any] = dict.fromkeys(("connect", "repositories", "store"))
        controller = Controller(**parts, renders=RenderCache(parts["connect"]), clock=SystemClock(), version="test")
        return list(Numbers(controller).collect())

    found = {}
    for family in asyncio.run(told()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = set(getattr(family, "_labelnames", ()))
    return found


def rules() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]
    return spec


def named_in(text: str) -> set[str]:
    return {OF_HISTOGRAMS.sub("", name) for name in re.findall(r"\bgitops_[a-z_]+", text)}


def test_what_alerts_and_the_dashboard_go_by_is_there():
    asked = named_in((FOLDER / "rules.yaml").read_text()) | named_in((FOLDER / "dashboard.json").read_text())
    assert asked - metrics().keys() == set()


def test_every_metric_is_in_the_documentation_and_on_the_dashboard():
    table = (ROOT / "docs/deploy.md").read_text().partition("## Monitoring")[2].partition("\n## ")[0]
    assert named_in(table) == metrics().keys()
    assert named_in((FOLDER / "dashboard.json").read_text()) == metrics().keys()


def test_alerts_and_the_dashboard_ask_for_labels_that_there_are():
    expressions = [rule["expr"] for group in rules()["groups"] for rule in group["rules"]]
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    expressions += [target["expr"] for panel in panels for target in panel["targets"]]
    for expression in expressions:
        for name, selector in re.findall(r"\b(gitops_[a-z_]+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= metrics()[name], expression


def test_no_panel_covers_another():
    board = json.loads((FOLDER / "dashboard.json").read_text())
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23  # the width of a dashboard is 24


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' promtool is not installed")
def test_prometheus_takes_the_rules_and_alerts_as_they_say(tmp_path: Path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    shutil.copy(CASES, tmp_path)
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", CASES.name]):
        done = subprocess.run(
            ["promtool", *command], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
