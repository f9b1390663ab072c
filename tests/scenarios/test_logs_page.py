"""Logs over HTTP: of a Pod, of all Pods of a workload merged, of the run before; followed as a bounded stream."""

import json
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.manifests.yaml import load_all
from gitops.model.errors import ApiError
from tests.scenarios.http import Web, check
from tests.scenarios.running import Running
from tests.scenarios.test_missing_rights import TOKENS, Rights
from tests.scenarios.test_objects_page import named, pods, words
from tests.scenarios.test_page import EVIL, ONE, check_accessible
from tests.scenarios.world import deployment


def logs(world, kind, name, group="", **more):
    """The part of an address that asks for an object's logs."""
    query = named(world, kind, name, group).replace("object?", "logs?")
    return f"{ONE}/{query}&{urlencode(more)}" if more else f"{ONE}/{query}"


def saying(monkeypatch, lines):
    """Have each container's log be what `lines` makes of (Pod's name, part)."""

    async def log(self, pod, container, part):
        return lines(pod.name, part)

    monkeypatch.setattr(KubernetesCluster, "log", log)


def test_the_logs_of_a_workload_are_those_of_all_its_pods_with_their_names(web, world):
    found = web.get(logs(world, "Deployment", "web", "apps"))
    names = {pod["name"] for pod in pods(web)}
    assert (found["pods"], found["containers"], found["errors"], found["cut"]) == (2, ["web"], [], False)
    assert {line["pod"] for line in found["lines"]} == names
    assert {line["text"] for line in found["lines"]} == {"nginx:1.26: started"}
    assert "nginx:1.26: started" in words(web, logs(world, "Deployment", "web", "apps"))


def test_each_page_of_objects_is_accessible(web, world):
    query = named(world, "Deployment", "web", "apps")
    for path in (f"{ONE}/{query}", logs(world, "Deployment", "web", "apps"), f"{ONE}/compare/1/1", "/waiting"):
        answer = web.ask(path, token=web.tokens["ada"])
        assert answer.status == 200
        check_accessible(answer)


def test_lines_of_several_pods_are_merged_by_their_time(web, world, monkeypatch):
    first = min(pod["name"] for pod in pods(web))
    seconds = lambda name: ("1.5", "3") if name == first else ("2.25", "1.123456789")  # noqa: E731
    stamp = lambda text: f"2026-01-01T02:00:0{text}+02:00 at {text}"  # noqa: E731
    saying(monkeypatch, lambda name, part: "\n".join(map(stamp, seconds(name))) + "\n")
    lines = web.get(logs(world, "Deployment", "web", "apps"))["lines"]
    assert [line["text"] for line in lines] == ["at 1.123456789", "at 1.5", "at 2.25", "at 3"]
    assert lines[0]["at"] == "2026-01-01T00:00:01.123456789Z"


def test_only_lines_with_a_text_or_of_a_level_are_shown_and_followed(web, world, running, monkeypatch):
    monkeypatch.setattr("gitops.server.api.logs._LOOK_SECONDS", 0.05)
    first, written = min(pod["name"] for pod in pods(web)), ["01 INFO Paid", "02 ERROR Paid <b>not</b>", "03 WARN slow"]
    said = lambda: "".join(f"2026-01-01T00:00:{line}\n".replace(" ", "Z ", 1) for line in written)  # noqa: E731
    saying(monkeypatch, lambda name, part: said() if name == first else "")

    def shown(**more):
        return [line["text"] for line in web.get(logs(world, "Deployment", "web", "apps", **more))["lines"]]

    assert shown(q="paid") == ["INFO Paid", "ERROR Paid <b>not</b>"]
    assert shown(level="warning") == ["ERROR Paid <b>not</b>", "WARN slow"]
    assert shown(level="error", q="slow") == []
    page = web.ask(logs(world, "Deployment", "web", "apps", level="error"), token=web.tokens["ada"])
    check_accessible(page)
    assert '<span class="text error">ERROR Paid &lt;b&gt;not&lt;/b&gt;</span>' in page.text
    assert "level=error" in page.text.partition("data-follow=")[2].partition(">")[0]
    assert "None of the last 200 lines fits" in words(web, logs(world, "Deployment", "web", "apps", q="nothing"))
    stream = Followed(web, logs(world, "Deployment", "web", "apps", level="error"))
    running.until(lambda: stream.lines == ["ERROR Paid <b>not</b>"])
    written += ["04 INFO Paid", "05 FATAL gone"]
    running.until(lambda: stream.lines == ["ERROR Paid <b>not</b>", "FATAL gone"])


def test_the_run_before_is_shown_where_there_was_one_and_else_the_reason(web, world):
    found = web.get(logs(world, "Deployment", "web", "apps", previous="true"))
    assert found["lines"] == []
    assert all('previous terminated container "web"' in one["why"] for one in found["errors"])
    assert "previous terminated container" in words(web, logs(world, "Deployment", "web", "apps", previous="true"))


def test_the_log_of_a_container_that_crashes_is_there(world, tmp_path):
    world.commit(web=deployment("web", image="busybox:crash", replicas=1))
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until(lambda: any(pod["restarts"] for pod in pods(web)))
        path = logs(world, "Deployment", "web", "apps", container="web", tail=1)
        running.until(lambda: web.get(path)["lines"])
        assert "fatal: simulated crash" in web.get(path)["lines"][-1]["text"]


def test_what_has_no_pods_and_what_is_anothers_has_no_logs(web, world):
    for query, status in (
        (logs(world, "ConfigMap", "settings"), 404),
        (logs(world, "Pod", "nowhere"), 404),
        (logs(world, "Deployment", "foreign", "apps"), 404),
        (logs(world, "Deployment", "web", "apps", tail=0), 400),
        (logs(world, "Deployment", "web", "apps", tail=999999), 400),
    ):
        answer = web.ask(f"/api/v1{query}", token=web.tokens["ada"])
        check(answer, "GET", query)
        assert answer.status == status, answer.text
        stream = web.ask(f"/api/v1{query}".replace("/logs?", "/logs/stream?"), token=web.tokens["ada"])
        assert (stream.status, stream.json["title"]) == (status, answer.json["title"])
        assert web.ask(f"/api/v1{query}").status == 401


def test_logs_are_for_who_has_a_token_also_where_anyone_reads(running, world, tmp_path):
    path = logs(world, "Deployment", "web", "apps")
    with Web(running, tmp_path, anyone_reads=True) as web:
        assert web.ask(ONE).status == 200
        for one in (path, path.replace("/logs?", "/logs/stream?")):
            refused = web.ask(f"/api/v1{one}")
            assert (refused.status, refused.json["title"]) == (401, "Logs need a token")
        page = web.ask(path)
        assert "sign in with a token" in page.text
        assert "nginx:1.26: started" not in page.text
        assert web.get(path)["lines"]
    with Web(running, tmp_path, with_tokens=False) as web:
        assert web.ask(path).text.count("nginx:1.26: started") == 2


def test_text_of_a_log_is_text_without_the_controls_of_a_terminal(web, world, monkeypatch):
    line = f"2026-01-01T00:00:00Z \x1b[31m{EVIL}\x1b]0;title\x07\x00\r\n2026-01-01T00:00:00Z \udcff\n{EVIL}"
    saying(monkeypatch, lambda name, part: line.replace("\udcff", "\ufffd"))
    path = logs(world, "Deployment", "web", "apps")
    assert [one["text"] for one in web.get(path)["lines"]][:3] == [EVIL, "\ufffd", EVIL]
    assert words(web, path).count("<script>alert(1)</script>") == 4


def test_a_value_of_a_secret_that_a_container_writes_is_hidden(world, tmp_path, monkeypatch):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2-canary"}}
    sha = world.commit(secret=secret, web=deployment("web", replicas=1))
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        saying(monkeypatch, lambda name, part: "2026-01-01T00:00:00Z the password is hunter2-canary\n")
        found = web.get(logs(world, "Deployment", "web", "apps"))
        assert [line["text"] for line in found["lines"]] == ["the password is (hidden)"]


def test_a_very_long_log_is_cut_and_says_so(web, world, monkeypatch):
    saying(monkeypatch, lambda name, part: "".join(f"2026-01-01T00:00:00Z {'x' * 9000}\n" for _ in range(300)))
    answer = web.ask(f"/api/v1{logs(world, 'Deployment', 'web', 'apps')}", token=web.tokens["ada"])
    assert (answer.json["cut"], len(answer.body) < 2**21) == (True, True)
    assert "(1000 more characters)" in answer.json["lines"][0]["text"]


def test_an_account_without_the_right_to_logs_is_told_which_it_needs(web, world, monkeypatch):
    async def refused(self, pod, container, part):
        raise ApiError(403, "Forbidden", 'pods "web-1" is forbidden: cannot get resource "pods/log"')

    monkeypatch.setattr(KubernetesCluster, "log", refused)
    text = words(web, logs(world, "Deployment", "web", "apps"))
    assert "the account needs the right to get pods/log" in text


# ── followed ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Followed:
    """A stream of logs as a client has it: (event, data) as they come."""

    def __init__(self, web, path, **headers):
        url = f"http://127.0.0.1:{web.port}/api/v1{path}".replace("/logs?", "/logs/stream?")
        given = {"Authorization": f"Bearer {web.tokens['grace']}", **headers}
        self.answer = urllib.request.urlopen(urllib.request.Request(url, headers=given), timeout=30)
        self.events, self.ids, self.is_over = [], [], False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        name = ""
        for raw in self.answer:
            field, _, value = raw.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                self.ids.append(value)
            elif field == "data":
                self.events.append((name, json.loads(value)))
        self.is_over = True

    @property
    def lines(self):
        return [line["text"] for name, data in self.events if name == "lines" for line in data["lines"]]


def test_a_log_is_followed_and_each_line_comes_once(web, world, running, monkeypatch):
    monkeypatch.setattr("gitops.server.api.logs._LOOK_SECONDS", 0.05)
    first, written, parts = min(pod["name"] for pod in pods(web)), ["01.5 one", "02 two"], []

    def said(name, part):
        parts.append(part)
        return "".join(f"2026-01-01T00:00:{line}\n".replace(" ", "Z ", 1) for line in written) if name == first else ""

    saying(monkeypatch, said)
    stream = Followed(web, logs(world, "Deployment", "web", "apps"))
    running.until(lambda: stream.lines == ["one", "two"])
    written.append("03 three")
    running.until(lambda: stream.lines == ["one", "two", "three"])
    count = len(parts)
    running.until(lambda: len(parts) > count + 10)
    assert stream.lines == ["one", "two", "three"]
    assert "2026-01-01T00:00:03.000000000Z" in {part.since for part in parts[-2:]}
    again = Followed(web, logs(world, "Deployment", "web", "apps"), **{"Last-Event-ID": stream.ids[0]})
    running.until(lambda: again.lines == ["three"])


def test_a_stream_of_logs_ends_when_its_object_goes_or_too_much_was_sent(web, world, running, monkeypatch):
    monkeypatch.setattr("gitops.server.api.logs._LOOK_SECONDS", 0.05)
    monkeypatch.setattr("gitops.server.api.logs._STREAM_BYTES", 10)
    stream = Followed(web, logs(world, "Deployment", "web", "apps"))
    running.until(lambda: stream.is_over)
    assert stream.events[-1][0] == "ended"
    monkeypatch.undo()
    monkeypatch.setattr("gitops.server.api.logs._LOOK_SECONDS", 0.05)
    gone = Followed(web, logs(world, "Deployment", "web", "apps"))
    running.until(lambda: gone.lines)
    running.until_synced(world.commit(web=None))
    running.until(lambda: gone.is_over)
    assert "has no object" in gone.events[-1][1]["why"]


def test_a_log_is_followed_no_longer_than_its_token_is_good(web, world, running, monkeypatch):
    monkeypatch.setattr("gitops.server.api.logs._LOOK_SECONDS", 0.05)
    stream = Followed(web, logs(world, "Deployment", "web", "apps"))
    running.until(lambda: stream.lines)
    tokens = web.folder / "tokens"
    tokens.write_text(tokens.read_text().splitlines()[0] + "\n")  # ada's alone
    running.until(lambda: stream.is_over)
    assert "this token is not valid" in stream.events[-1][1]["why"]


def test_only_so_many_logs_are_followed_at_once(web, world, monkeypatch):
    monkeypatch.setattr("gitops.server.api.logs._MOST_STREAMS", 0)
    path = f"/api/v1{logs(world, 'Deployment', 'web', 'apps')}".replace("/logs?", "/logs/stream?")
    refused = web.ask(path, token=web.tokens["grace"])
    assert (refused.status, refused.json["title"]) == (503, "Too many streams")


# ── with the rights of its account ───────────────────────────────────────────────────────────────────────────────

LOOKS = ("get", "list", "watch", "create", "patch", "delete")
RIGHTS = Path(__file__).resolve().parents[2] / "deploy/components/page-rights/rights.yaml"


def test_an_account_reads_what_it_may_and_the_role_of_the_page_is_enough(fresh_sandbox, tmp_path):
    rights = Rights(fresh_sandbox(tokens=TOKENS, speed=8.0, nodes=1), tmp_path)
    world, account = rights.world, {"kind": "ServiceAccount", "name": "deployer", "namespace": "gitops"}
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": "rights"}})
    rights.give(("apps", "deployments", *LOOKS), ("", "configmaps", *LOOKS), subject=account)
    sha = world.commit(web=deployment("web", replicas=1))
    with Running(world, serviceAccount="deployer") as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        tree = web.get(f"{ONE}/tree")
        assert [why[:40] for why in tree["unread"]] == [
            "the Pods in namespace rights cannot be l",
            "the ReplicaSets in namespace rights cann",
        ]
        path = logs(world, "Deployment", "web", "apps")
        refused = web.ask(f"/api/v1{path}", token=web.tokens["ada"])
        assert (refused.status, 'cannot list resource "replicasets"' in refused.json["detail"]) == (502, True)
        assert 'User "system:serviceaccount:gitops:deployer" cannot list' in words(web, path)
        assert "cannot be listed" in web.get(f"{ONE}/{named(world, 'Deployment', 'web', 'apps')}")["eventsError"]

        (role,) = [one.value for one in load_all(RIGHTS.read_bytes(), "rights")]
        given = [(one["apiGroups"][0], one["resources"][0], *one["verbs"]) for one in role["rules"]]
        rights.give(*given, name="page", subject=account)
        running.until(lambda: not web.get(f"{ONE}/tree")["unread"])
        assert pods(web)
        assert [line["text"] for line in web.get(path)["lines"]] == ["nginx:1.26: started"]
        running.until(lambda: not web.get(f"{ONE}/{named(world, 'Deployment', 'web', 'apps')}")["eventsError"])
