"""Several controllers tell the outside: nothing is lost when one dies, and nothing is told by two."""

import json
import time
from collections import Counter

from tests.scenarios.listener import Listener
from tests.scenarios.test_replicas import NAMES, replicas, server  # noqa: F401 - fixtures


def wanted(replicas):  # noqa: F811
    """What is to be told: the names of the entries of all syncs that ended well."""
    return {
        event.hash[:32] for events in replicas.events().values() for event in events if event.fact == "sync.finished"
    }


def test_each_sync_is_told_once_by_whichever_replica_runs_it_and_none_is_lost_with_one(replicas, monkeypatch):  # noqa: F811
    with Listener() as listener:
        path = replicas.folder / "notifications.yaml"
        spec = {"name": "hook", "type": "webhook", "url": listener.url, "rate": 6000}
        path.write_text(
            json.dumps({"destinations": [spec], "rules": [{"destinations": ["hook"], "facts": ["synced"]}]})
        )
        monkeypatch.setenv("GITOPS_NOTIFICATIONS", str(path))
        replicas.start()
        replicas.until_converged()
        replicas.start()
        for number in range(3):
            for name in NAMES:
                replicas.commit(f"shared-{number}", name)
            replicas.until_converged()
            time.sleep(1)
        replicas.kill(replicas.running[0])
        for number in range(4):
            replicas.commit(f"dead-{number}")
        replicas.until_converged()
        ids = Counter()
        deadline = time.monotonic() + 30
        while set(ids) != wanted(replicas):
            assert time.monotonic() < deadline, (len(ids), len(wanted(replicas)))
            time.sleep(0.5)
            ids = Counter(body["id"] for body in listener.bodies())
        replicas.stop()
    # Only what was on its way when its controller was killed may have come twice.
    assert sum(ids.values()) - len(ids) <= 1
