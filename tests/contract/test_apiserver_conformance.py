"""The embedded cluster against recorded answers of a real kube-apiserver and its controllers."""

import importlib
import json
import re
import sys
import time
from pathlib import Path

import pytest

from gitops.sandbox.cluster import User
from gitops.sandbox.server import SandboxThread

RECORDED = Path(__file__).parents[1] / "data" / "recorded" / "apiserver"
SPEED = 4.0

TOKENS = {"admin-token": User("admin", ("system:masters",)), "limited-token": User("limited")}

# What may differ: the port of the recorded server is part of /api's answer.
KNOWN_DIFFERENCES = {("discovery", "legacy")}


@pytest.fixture(scope="module")
def recorder():
    sys.path.insert(0, str(RECORDED))
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    yield importlib.import_module
    sys.dont_write_bytecode = bytecode
    sys.path.remove(str(RECORDED))


@pytest.fixture(scope="module")
def bare_api():
    with SandboxThread(tokens=TOKENS, controllers="none") as running:
        yield running


def scenarios():
    folder = RECORDED / "exchanges"
    return sorted(path.stem for path in folder.glob("*.json")) if folder.exists() else []


@pytest.mark.parametrize("scenario", scenarios())
def test_every_recorded_exchange_is_answered_alike(scenario, recorder, bare_api):
    record = recorder("record")
    wanted = json.loads((RECORDED / "exchanges" / f"{scenario}.json").read_text())
    got = record.play(record.Server(bare_api.url, "admin-token"), scenario)
    wrong = []
    for want, have in zip(wanted, got, strict=True):
        polled = want.get("poll") and want["response"]["status"] == have["response"]["status"]
        found = [] if polled else list(record.differences(want["response"], have["response"]))
        if found and (scenario, want["name"]) not in KNOWN_DIFFERENCES:
            wrong.append(f"{want['name']}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def test_every_recorded_watch_stream_is_sent_alike(recorder):
    record, watches = recorder("record"), recorder("watches")
    with SandboxThread(tokens=TOKENS, controllers="none") as running:
        got = watches.main(record.Server(running.url, "admin-token"))
    wanted = json.loads((RECORDED / "watches.json").read_text())
    for name, want in wanted.items():
        assert not list(record.differences(want["events"], got[name]["events"])), name


def test_workloads_pass_through_the_recorded_states(recorder, monkeypatch):
    record, workloads = recorder("record"), recorder("workloads")
    sleep = time.sleep
    monkeypatch.setattr(workloads.time, "sleep", lambda seconds: sleep(seconds / SPEED + (0.1 if seconds >= 1 else 0)))
    with SandboxThread(tokens=TOKENS, nodes=3, speed=SPEED) as running:
        got = workloads.main(record.Server(running.url, "admin-token"))
    wanted = json.loads((RECORDED / "workloads.json").read_text())
    assert [entry["step"] for entry in got] == [entry["step"] for entry in wanted]
    wrong = []
    for want, have in zip(wanted, got, strict=True):
        found = list(record.differences(settled(want), settled(have)))
        wrong.extend(f"{want['step']}: {text}" for text in found[:3])
    assert not wrong, "\n".join(wrong)


def settled(state):
    """A state without what differs from run to run: times, addresses, hashes, the order of generated names."""
    text = json.dumps(state)
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', '"<time>"', text)
    text = re.sub(r'("hostIP"|"podIP"|"ip"): "[\d.]+"', r'\1: "<address>"', text)
    text = re.sub(r'"controller-revision-hash": "[^"]+"', '"controller-revision-hash": "<hash>"', text)
    state = json.loads(text)
    for name, seen in state.get("seen", {}).items():
        if name == "job" and seen.get("active"):
            seen.pop("ready", None)  # counted a moment after its Pod runs
        if isinstance(seen, list):
            for entry in seen:
                (entry.get("status") or {}).pop("hostIPs", None)
                if name == "pods":
                    entry["spec"].pop("nodeName", None)
                    _without_restarts(entry)
            seen.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
    return state


def _without_restarts(pod):
    """An image that was never pulled never ran: what stood in for a kubelet in the recording said otherwise."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if (status["state"].get("waiting") or {}).get("reason") == "ImagePullBackOff":
            status.pop("restartCount")
