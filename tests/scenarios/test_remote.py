"""`--server`: commands through a controller's API say what they say beside it, and the token goes nowhere else."""

import asyncio
import http.server
import json
import os
import ssl
import stat
import subprocess
import sys
import threading
import time

import pytest

from gitops.adapters.api_client import ApiClient
from gitops.model.errors import UnreachableError
from tests.scenarios.http import Web
from tests.scenarios.listener import Listener
from tests.scenarios.running import Running
from tests.scenarios.test_unfinished_rollback import image
from tests.scenarios.world import config_map, deployment

ONE = "/applications/gitops/app"


def told_near(world):
    """What the command says beside the store, once the controller has written there how the Application stands."""
    until = time.monotonic() + 10.0
    while (near := json.loads(world.gitops("status", "app", "-o", "json").stdout))["sync"] != "Synced":
        assert time.monotonic() < until
    return near


def test_status_is_told_of_one_as_beside_the_controller(far, world):
    near = told_near(world)
    told = json.loads(far("status", "app", "-o", "json").stdout)
    same = ("application", "namespace", "revision", "applied", "wanted", "lastHealthy", "lastSync", "sync", "health")
    assert {name: told[name] for name in same} == {name: near[name] for name in same}
    assert told["objects"] == near["objects"]
    text = far("status", "app").stdout
    assert text.splitlines()[:2] == world.gitops("status", "app").stdout.splitlines()[:2]
    listed = far("status")
    assert (listed.returncode, "1 Application: 1 Healthy" in listed.stderr) == (0, True)
    assert listed.stdout.splitlines()[1].split()[:4] == ["gitops/app", world.namespace, "Synced", "Healthy"]
    assert far("status", "--problems").stdout.count("\n") == 1


def test_a_project_is_shown_by_its_name_near_and_far(far, world):
    told_near(world)
    for status in (far, world.gitops):
        assert "gitops/app" in status("status", "--project", "default").stdout
        other = status("status", "--project", "bank")
        assert (other.returncode, "gitops/app" in other.stdout) == (0, False)
        assert json.loads(status("status", "app", "--project", "default", "-o", "json").stdout)["project"] == "default"
        wrong = status("status", "app", "--project", "bank")
        assert (wrong.returncode, "gitops/app is in project default" in wrong.stderr) == (2, True)


def test_history_and_the_audit_log_are_those_of_the_controllers_store(far, world, web):
    for words in (("history", "app", "-o", "json"), ("history", "app")):
        told, near = far(*words), world.gitops(*words)
        assert (told.returncode, near.returncode, told.stdout) == (0, 0, near.stdout), (told.stderr, near.stderr)
    web.post(f"{ONE}/suspend", reason="the night")
    for words in (("audit", "list"), ("audit", "list", "app", "--fact", "application.*", "--limit", "1")):
        assert far(*words).stdout == world.gitops(*words).stdout


def test_a_diff_has_the_plan_of_the_controller_with_its_exit_code(far, world, web, running):
    near = world.gitops("diff", "app")
    assert (far("diff", "app").returncode, near.returncode) == (0, 0)
    web.post(f"{ONE}/suspend", reason="x")
    sha = world.commit(settings=config_map("settings", a="2"), web=deployment("web"))
    running.until(lambda: web.get(ONE)["revision"] == sha)
    near, told = world.gitops("diff", "app"), far("diff", "app")
    assert (told.returncode, "data.a: 1 → 2" in told.stdout) == (1, True)
    assert told.stderr == near.stderr
    assert far("diff", "app", "-o", "unified").returncode == 2
    assert json.loads(far("diff", "app", "-o", "json").stdout)["decision"] == "Go"
    assert (far("diff", "app", "--release", "1").returncode, far("diff", "app", "--adopt").returncode) == (0, 2)


def test_what_a_person_says_is_recorded_with_the_name_of_their_token(far, web, running):
    for words, past in ((("suspend", "app"), "suspended"), (("resume", "gitops/app"), "resumed")):
        done = far(*words, "--reason", "the night")
        assert (done.returncode, done.stderr) == (0, f"gitops/app: {past}\n")
    entries = web.get("/audit?fact=application.*")["items"]
    assert {(one["actor"], one["detail"]["reason"]) for one in entries} == {("ada", "the night")}
    done = far("sync", "app", "--reason", "to see")
    assert (done.returncode, done.stderr) == (0, "gitops/app: in-sync\n")
    assert web.get("/audit?fact=sync.requested")["items"][0]["detail"]["reason"] == "to see"
    assert far("refresh", "app").returncode == 0
    assert (far("terminate", "app").returncode, far("test", "app").returncode) == (4, 4)
    assert far("approve", "app", "--plan", "0" * 12).returncode == 2


def test_a_rollback_goes_by_the_plan_that_was_shown(far, world, running, web):
    running.until_synced(world.commit(settings=config_map("settings", a="2"), web=deployment("web")))
    shown = far("rollback", "app", "1", "--dry-run")
    assert (shown.returncode, "data.a: 2 → 1" in shown.stdout) == (0, True)
    assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}
    done = far("rollback", "app", "1", "--reason", "2 is wrong")
    assert (done.returncode, "release 1" in done.stderr, "synced" in done.stderr) == (0, True, True)
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_wait_ends_with_how_a_commit_ended(far, world, running):
    assert far("wait", "app", "--revision", world.sha).returncode == 0
    late = far("wait", "app", "--revision", "abcdef1", "--timeout", "1s")
    assert (late.returncode, "not synced and healthy after 1s" in late.stderr) == (4, True)


def test_wait_tells_of_a_commit_that_was_rolled_back(world, tmp_path):
    good = world.commit(web=deployment())
    with Running(world, timeout=2.0) as running, Web(running, tmp_path) as web:
        running.until_synced(good)
        bad = world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: image(world) == "nginx:broken")
        places = {"GITOPS_SERVER": f"http://127.0.0.1:{web.port}", "GITOPS_TOKEN": web.tokens["grace"]}
        done = world.gitops("wait", "app", "--revision", bad, "--timeout", "30s", **places)
        assert (done.returncode, "rolled-back" in done.stderr) == (5, True)


def test_who_may_not_is_told_what_is_missing(far, web):
    refused = far("suspend", "app", token="grace")
    assert (refused.returncode, "grace may not: that needs update on gitops/app" in refused.stderr) == (2, True)
    unknown = far("suspend", "gitops/nothing")
    assert (unknown.returncode, "knows no Application gitops/nothing" in unknown.stderr) == (2, True)
    assert "did you mean gitops/app?" in far("status", "appp").stderr
    forged = far("status", token="gitops_" + "x" * 43)
    assert (forged.returncode, "gitops login http" in forged.stderr) == (2, True)
    assert "x" * 43 not in forged.stderr


def test_a_command_that_cannot_go_through_a_server_says_so_and_others_are_as_ever(far):
    done = far("takeover", "flux")
    assert (done.returncode, "does not go through a server" in done.stderr) == (2, True)
    assert far("rollback", "app", "--hooks").returncode == 2
    assert far("version").returncode == 0


def test_why_an_application_is_not_well_is_explained_as_beside_the_controller(far, world, running, web):
    told_near(world)
    same = ("application", "headline", "health", "sync", "objects")

    def facts(run):
        found = json.loads(run("explain", "app", "-o", "json").stdout)
        return {name: found[name] for name in same}

    running.until(lambda: facts(far) == facts(world.gitops))  # once the store has what the controller knows
    assert facts(far)["health"] == "Healthy"
    assert far("explain", "app").stdout.splitlines()[0] == world.gitops("explain", "app").stdout.splitlines()[0]
    running.until_synced(
        world.commit(settings=config_map("settings", a="1"), web=deployment("web", image="nginx:1.27"))
    )
    web.post(f"{ONE}/suspend", reason="the night")
    assert "it is suspended by ada because the night" in far("explain", "app").stdout
    assert far("explain", "gitops/nothing").returncode == 2


def test_who_is_nobody_is_told_no_log_lines_by_an_explanation(running, world, tmp_path):
    with Web(running, tmp_path, anyone_reads=True) as web:
        assert web.ask(f"/api/v1{ONE}").status == 200
        refused = web.ask(f"/api/v1{ONE}/explain")
        assert (refused.status, refused.json["title"]) == (401, "Logs need a token")


def test_drift_is_told_with_its_author_and_its_exit_code(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    with Running(world, drift="report") as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        places = {"GITOPS_SERVER": f"http://127.0.0.1:{web.port}", "GITOPS_TOKEN": web.tokens["grace"]}
        far = lambda *words: world.gitops(*words, XDG_CONFIG_HOME=str(tmp_path), **places)  # noqa: E731
        none = far("drift")
        assert (none.returncode, none.stderr) == (0, "gitops/app: no drift\n")
        path = f"/api/v1/namespaces/{world.namespace}/configmaps/settings"
        world.request("PATCH", path, {"data": {"a": "2"}}, "kubectl-edit", "application/merge-patch+json")
        for words in (("drift",), ("drift", "app")):
            done, near = far(*words), world.gitops("drift", "app", "-n", world.namespace)
            assert (done.returncode, near.returncode) == (1, 1)
            assert done.stdout.splitlines()[2:] == near.stdout.splitlines()[2:]
            assert "data.a: 2 → 1" in done.stdout
            assert "kubectl-edit" in done.stdout
        assert json.loads(far("drift", "-o", "json").stdout)[0]["drift"][0]["object"].endswith("/settings")


def test_the_audit_log_is_verified_here_entry_by_entry(far, world, web):
    count = len(world.audit())
    done = far("audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert f": {count} entries, whole, anchored at " in done.stdout
    assert "anchors not checked: --offline" in far("audit", "verify", "app", "--offline").stderr
    assert far("audit", "verify", "gitops/nothing").returncode == 4
    assert far("audit", "verify", "-n", "elsewhere").returncode == 4
    assert far("audit", "verify", "--file", "x").returncode == 2


def test_an_export_through_a_server_is_that_of_the_store(far, world):
    near = world.gitops("audit", "export")
    for words in ((), ("app",), ("-n", "gitops")):
        done = far("audit", "export", *words)
        assert (done.returncode, done.stdout) == (0, near.stdout), words
    assert far("audit", "export", "gitops/nothing").returncode == 2


def told_log(world, lines, entries, **header):
    """What commands say of a server that sends these lines, and says that it has so many entries."""
    proof = {
        "at": "",
        "whole": True,
        "chains": 1,
        "entries": entries,
        "anchored": 0,
        "wrong": 0,
        "notes": [],
        "items": [],
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            is_proof = "verify" in self.path
            body = json.dumps(proof).encode() if is_proof else lines
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if is_proof else "application/jsonl")
            for name, value in ({"Content-Length": str(len(body))} if is_proof else header).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    places = {"GITOPS_SERVER": f"http://127.0.0.1:{server.server_port}", "GITOPS_TOKEN": "gitops_x"}
    done = [world.gitops("audit", word, XDG_CONFIG_HOME=str(world.folder), **places) for word in ("verify", "export")]
    server.shutdown()
    return done


def chunked(*parts, ends=True):
    found = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return found + (b"0\r\n\r\n" if ends else b"")


def test_a_log_that_is_cut_or_forged_on_its_way_is_never_shown_as_whole(far, world):
    lines = world.gitops("audit", "export").stdout.encode().splitlines(keepends=True)
    count = len(lines)
    whole, in_chunks = b"".join(lines), {"Transfer-Encoding": "chunked"}
    for done in told_log(world, chunked(whole), count, **in_chunks):
        assert done.returncode == 0, done.stderr
    forged = whole.replace(b'"actor":"', b'"actor":"x', 1)
    other = b"".join([*lines[:1], *lines[2:]])
    for sent, header, why in (
        (chunked(whole, ends=False), in_chunks, "cut off"),
        (chunked(whole)[:-40], in_chunks, "cut off"),
        (whole, {"Content-Length": str(len(whole) + 1)}, "cut off"),
        (whole, {}, "nothing says where the answer ends"),
        (chunked(*lines[:-1]), in_chunks, f"{count - 1} entries came"),
        (chunked(b""), in_chunks, "entries came"),
        (chunked(whole[:-1]), in_chunks, "last line is cut off"),
        (chunked(forged), in_chunks, "was changed after it was written"),
        (chunked(other), in_chunks, "entry"),
        (chunked(b"<html>\n"), in_chunks, "line 1 is no entry"),
    ):
        for done in told_log(world, sent, count, **header):
            assert done.returncode == 4, (why, done.stdout[-300:], done.stderr)
            assert why in done.stderr, done.stderr
            assert "entries, whole" not in done.stdout


def test_a_login_is_kept_in_a_file_of_its_owner_and_used_by_the_word_last(far, web, tmp_path):
    url = f"http://127.0.0.1:{web.port}"
    file = tmp_path / "token"
    file.write_text(web.tokens["ada"] + "\n")
    done = far("login", f"{url}/", "--token-file", str(file), GITOPS_TOKEN="", GITOPS_SERVER="")
    assert (done.returncode, done.stderr) == (0, f"logged in to {url} as ada (operator)\n")
    assert stat.S_IMODE(far.config.stat().st_mode) == 0o600
    assert far("--server", "last", "status", GITOPS_TOKEN="", GITOPS_SERVER="").returncode == 0
    assert far("status", "app", GITOPS_TOKEN="").returncode == 0  # named by its address
    far.config.chmod(0o644)
    read = far("status", GITOPS_TOKEN="")
    assert (read.returncode, "chmod 600" in read.stderr) == (2, True)
    far.config.chmod(0o600)
    assert far("logout", GITOPS_TOKEN="", GITOPS_SERVER="").returncode == 0
    assert web.tokens["ada"] not in far.config.read_text()
    assert far("logout", GITOPS_SERVER="").returncode == 2
    assert far("--server", "last", "status", GITOPS_TOKEN="", GITOPS_SERVER="").returncode == 2
    assert far("status", GITOPS_TOKEN="").returncode == 2


def test_a_login_reads_the_token_from_stdin_and_keeps_none_that_is_not_valid(web, tmp_path):
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    places = {name: value for name, value in os.environ.items() if name != "GITOPS_TOKEN"} | config

    def login(token):
        words = [sys.executable, "-m", "gitops.cli", "login", f"http://127.0.0.1:{web.port}"]
        return subprocess.run(words, input=token, env=places, capture_output=True, text=True, check=False)

    assert (login("gitops_wrong\n").returncode, (tmp_path / "config").exists()) == (2, False)
    done = login(web.tokens["grace"] + "\n")
    assert (done.returncode, "as grace (viewer)" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://gitops.example.com", "https only"),
        ("ftp://gitops.example.com", "expected an address"),
        ("https://ada:secret@gitops.example.com", "expected an address"),
        ("https://", "expected an address"),
        ("https://gitops.example.com?token=x", "expected an address"),
        ("https://gitops.example.com:99999", "no address"),
    ],
)
def test_an_address_that_is_none_or_would_show_the_token_is_refused(url, why, world, tmp_path):
    done = world.gitops("login", url, GITOPS_TOKEN="gitops_x", XDG_CONFIG_HOME=str(tmp_path))
    assert (done.returncode, why in done.stderr, "secret" in done.stderr) == (2, True, False)


class _Answering:
    """A server of a stranger's that answers everything in one way, and keeps what it was sent."""

    def __init__(self, status=200, kind="application/json", body=b"{}", context=None, **headers):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(dict(self.headers))
                self.send_response(status)
                for name, value in {"Content-Type": kind, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def asked(world, tmp_path, port, scheme="http"):
    places = {"GITOPS_SERVER": f"{scheme}://127.0.0.1:{port}", "GITOPS_TOKEN": "gitops_secret"}
    return world.gitops("status", XDG_CONFIG_HOME=str(tmp_path), **places)


def test_a_redirect_carries_the_token_nowhere(world, tmp_path):
    other = _Answering()
    for place in (f"http://127.0.0.1:{other.port}/x", "https://evil.example.com/"):
        done = asked(world, tmp_path, _Answering(302, Location=place).port)
        assert (done.returncode, "leads elsewhere (302)" in done.stderr) == (6, True)
    assert other.seen == []


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"[]"},
        {"body": b"{"},
        {"body": b"{}"},
        {"body": b'{"items": 5, "total": 1}'},
        {"body": b'{"items": [{}], "total": 1}'},
        {"body": b'{"items": [{"application": "\\u001b[31m"}], "total": 1}'},
        {"body": b"[" * 100_000},
        {"body": b"<html>", "kind": "text/html"},
        {"status": 500, "kind": "text/plain", "body": b"no"},
        {"status": 503, "kind": "application/problem+json", "body": b'{"title": "Away", "detail": "later"}'},
        {"status": 429, "kind": "application/problem+json", "body": b'{"title": "Too many", "detail": "later"}'},
    ],
)
def test_a_bad_answer_is_one_message(world, tmp_path, answer):
    done = asked(world, tmp_path, _Answering(**answer).port)
    assert (done.returncode, done.stderr.count("Error: "), "Traceback" in done.stderr) == (6, 1, False)
    assert "\x1b" not in done.stderr
    assert "secret" not in done.stderr


DEEP = 900  # as deep as is read at all
ROW = {
    **dict.fromkeys(("namespace", "cluster", "source", "targetRevision", "revision", "message", "note", "plan"), ""),
    **{"application": "a/b", "sync": "Synced", "health": "Healthy", "progress": "", "syncedAt": ""},
    **{"problem": False, "suspended": False, "automated": True, "pending": 0, "drift": []},
}


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (("audit", "list"), {"items": [], "next": "a|b|c|1"}),  # a page of nothing, and always one more
        (("status",), {"items": [], "total": 10**9}),
        (("history", "a/b"), {"releases": [{"number": 10**400}]}),
        (("wait", "a/b", "--revision", "abcdef1"), {"inventory": None}),
    ],
)
def test_an_answer_that_leads_nowhere_comes_to_an_end(world, tmp_path, command, answer):
    server = _Answering(body=json.dumps(answer).encode())
    places = {"GITOPS_SERVER": f"http://127.0.0.1:{server.port}", "GITOPS_TOKEN": "gitops_x"}
    done = world.gitops(*command, XDG_CONFIG_HOME=str(tmp_path), **places)
    assert (done.returncode in (0, 6), "Traceback" in done.stderr, len(server.seen) < 10) == (True, False, True)


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_what_a_server_says_is_printed_and_not_obeyed(world, tmp_path, output):
    evil = "\x1b]0;owned\x07\x1b[2Jx\r\ny\x9b31m"
    row = {
        name: evil if isinstance(value, str) and name not in ("sync", "health") else value
        for name, value in ROW.items()
    }
    deep = json.loads("[" * DEEP + "]" * DEEP)
    server = _Answering(body=json.dumps({"items": [row, {**ROW, "drift": deep}], "total": 2}).encode())
    places = {"GITOPS_SERVER": f"http://127.0.0.1:{server.port}", "GITOPS_TOKEN": "gitops_x"}
    done = world.gitops("status", "-o", output, XDG_CONFIG_HOME=str(tmp_path), **places)
    assert (done.returncode in (0, 6), "Traceback" in done.stderr) == (True, False), done.stderr[-500:]
    assert not set("\x1b\x07\x9b") & set(done.stdout + done.stderr)


def test_an_answer_without_an_end_is_bounded(monkeypatch):
    monkeypatch.setattr("gitops.adapters.api_client._MOST", 1000)
    server = _Answering(body=b'{"items": [' + b" " * 5000)
    with pytest.raises(UnreachableError, match="larger than any"):
        asyncio.run(ApiClient(f"http://127.0.0.1:{server.port}").get("/applications"))


def test_an_act_is_sent_as_json_with_what_was_given_and_the_token():
    with Listener() as listener:
        listener.answer_headers = {"Content-Type": "application/json"}
        asyncio.run(ApiClient(listener.url, "gitops_x").post("/applications/a/b/sync", reason="at noon", plan=None))
        asyncio.run(ApiClient(listener.url).get("/applications", q="a b", limit=None))
    act, look = listener.requests
    assert (act.method, act.headers["content-type"], act.json) == ("POST", "application/json", {"reason": "at noon"})
    assert act.headers["authorization"] == "Bearer gitops_x"
    assert (look.path.partition("?")[2], look.body) == ("q=a%20b", b"")
    assert {"content-type", "authorization"}.isdisjoint(look.headers)


def test_a_certificate_that_nobody_vouches_for_is_refused(world, tmp_path, sandbox):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate(tmp_path)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    server = _Answering(context=context)
    done = asked(world, tmp_path, server.port, "https")
    assert (done.returncode, "certificate" in done.stderr.lower()) == (6, True)
    assert server.seen == []


def test_where_nobody_answers_is_told(world, tmp_path):
    done = asked(world, tmp_path, 1)
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)


def certificate(folder):
    named = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    files = ("-keyout", folder / "tls.key", "-out", folder / "tls.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *named, *files], check=True)
