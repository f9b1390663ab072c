"""The page over HTTP: readable without a script, a stranger's text is text, and who may not is told how."""

import re
import socket
import time
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from gitops.server import doors
from tests.scenarios.http import Stream, Web
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.world import config_map

ONE = "/applications/gitops/app"
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Tags(HTMLParser):
    """What a browser would make of a page: its tags with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def check_harmless(text):
    """Nothing but our own script and style, no handler, and no address of another machine."""
    page = Tags(text)
    assert [one["src"].partition("?")[0] for one in page.all("script")] == ["/static/page.js"]
    assert page.all("img") + page.all("iframe") + page.all("style") == []
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)
    return page


@pytest.mark.parametrize(
    "path",
    [
        "/applications",
        "/applications?view=tiles&group=health",
        "/waiting",
        ONE,
        f"{ONE}/diff",
        f"{ONE}/rollback",
        "/audit",
        "/audit?verify=1",
        "/projects",
        "/projects/default",
        "/clusters",
        "/repositories",
        "/signin",
        "/nowhere",
    ],
)
def test_each_page_is_harmless_has_landmarks_and_a_name_for_each_field(web, path):
    check_accessible(web.ask(path, token=web.tokens["ada"]))


def check_accessible(answer):
    """A page is harmless, has landmarks, headings in order, and a label for each field."""
    page = check_harmless(answer.text)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert {"header", "main", "nav", "h1"} <= {tag for tag, _ in page.tags}
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    labels = re.findall(r"<label[^>]*>.*?</label>", answer.text, re.S)
    fields = [one for one in page.all("input") + page.all("select") if one.get("type") not in ("hidden", "submit")]
    assert sum(label.count("<input") + label.count("<select") for label in labels) == len(fields)


def test_a_page_says_how_things_stand_without_any_script(web, world):
    page = Tags(web.ask("/applications", token=web.tokens["grace"]).text)
    assert [one["href"] for one in page.all("a") if one.get("class") == "name"] == [ONE]
    text = " ".join(Tags(web.ask(ONE, token=web.tokens["grace"]).text).text.split())
    for words in (
        "Healthy Synced",
        "nothing to change",
        world.sha[:12],
        "Deployment apps 1",
        "release 1",
        "sync.finished",
    ):
        assert words in text


def test_filters_show_that_they_filter(web):
    text = " ".join(Tags(web.ask("/applications?q=nobody&health=Healthy", token=web.tokens["ada"]).text).text.split())
    assert "Filtered: 0 of 1 fit the words “nobody”. Show all" in text
    assert "No Application fits these filters." in text


def test_how_the_list_is_shown_is_in_its_address_and_stays_there(web, world):
    page = Tags(web.ask("/applications?view=tiles&group=namespace&health=Healthy", token=web.tokens["ada"]).text)
    assert [one.get("class") for one in page.all("ul") if one.get("class") in ("list", "tiles")] == ["tiles"]
    assert f"{world.namespace} 1" in " ".join(page.text.split())
    hrefs = [one["href"] for one in page.all("a")]
    assert f"/applications?view=tiles&group=namespace&health=Healthy&namespace={world.namespace}" in hrefs
    assert "/applications?view=list&group=namespace&health=Healthy" in hrefs
    assert "/applications?view=tiles&group=namespace" in hrefs, "without the filter it is shown the same way"
    kept = {one["name"]: one.get("value") for one in page.all("input") if one.get("type") == "hidden"}
    assert kept == {"health": "Healthy", "view": "tiles"}
    assert web.ask("/applications?view=wall", token=web.tokens["ada"]).status == 400
    (group,) = web.get("/applications?group=health")["groups"]
    assert group == {"name": "Healthy", "total": 1, "problems": 0}


def test_text_of_a_stranger_is_text_on_every_page(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    evil = application(world, "evil", targetRevision="main")
    with Running(world, automated=True, drift="report") as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        path = f"/api/v1/namespaces/{world.namespace}/configmaps/settings"
        world.request("PATCH", path, {"data": {"a": EVIL}}, "kubectl-edit", "application/merge-patch+json")
        world.request("PATCH", path, {"metadata": {"labels": {"x": "y"}}}, EVIL[:60], "application/merge-patch+json")
        running.until(lambda: web.get(ONE)["drift"])
        state = running.tracked()
        running.call(lambda: setattr(state, "source", replace(state.source, look_error=EVIL)))
        running.call(lambda: running.controller.records.file_read(EVIL, EVIL))
        web.post(f"{ONE}/suspend", reason=EVIL)
        running.call(lambda: running.put_trusted(evil))
        seen = ""
        for path in ("/applications", ONE, f"{ONE}/diff", "/audit", f"/applications?q={EVIL[:40]}".replace(" ", "+")):
            quoted = path.replace('"', "%22").replace("<", "%3C").replace(">", "%3E")
            answer = web.ask(quoted, token=web.tokens["ada"])
            assert answer.status == 200
            seen += check_harmless(answer.text).text
        assert seen.count("<script>alert(1)</script>") >= 4


def test_a_value_of_a_secret_is_on_no_page_and_in_no_answer(world, tmp_path):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2-canary"}}
    sha = world.commit(secret=secret)
    with Running(world, automated=False, drift="report") as running, Web(running, tmp_path) as web:
        running.until(lambda: web.get(ONE)["plan"])
        found = [web.ask(f"{ONE}/diff", token=web.tokens["ada"]).text]
        web.post(f"{ONE}/sync")
        running.until_synced(sha)
        world.commit(secret={**secret, "stringData": {"p": "other-canary"}})
        running.until(lambda: web.get(ONE)["plan"])
        for path in ("/applications", ONE, f"{ONE}/diff", "/audit"):
            found.append(web.ask(path, token=web.tokens["ada"]).text)
        for path in ("/resources", "/diff", "/drift", "/events", "/history"):
            found.append(web.ask(f"/api/v1{ONE}{path}", token=web.tokens["ada"]).text)
    text = "\n".join(found)
    assert "(hidden)" in text
    assert not [word for word in ("hunter2", "canary", "aHVudGVyMi", "b3RoZXItY2FuY") if word in text]


# ── who may do what ──────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_reads_without_a_token_where_there_are_tokens(web):
    for path in ("/applications", ONE, "/audit", "/api/v1/applications", "/api/v1/stream", "/api/v1/audit/verify"):
        assert web.ask(path).status == 401
        assert web.ask(path, token="gitops_nobody").status == 401
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/signin", "/static/page.css"):
        assert web.ask(path).status == 200


def test_answers_of_the_api_server_are_counted_by_cluster_verb_and_code(web):
    lines = [line for line in web.ask("/metrics").text.splitlines() if line.startswith("gitops_kubernetes_requests_")]
    labels = ('cluster="in-cluster"', 'verb="GET"', 'code="200"')
    assert [line for line in lines if all(label in line for label in labels)], lines


def test_a_viewer_reads_and_does_not_act(web):
    assert web.get("/whoami", token=web.tokens["grace"]) == {
        "name": "grace",
        "by": "token",
        "roles": ["role:viewer"],
        "groups": [],
        "only": [],
        "mayAct": False,
    }
    refused = web.post(f"{ONE}/suspend", token=web.tokens["grace"])
    assert (refused.status, refused.json["detail"]) == (
        403,
        "grace may not: that needs update on gitops/app, and this token's scope is viewer",
    )
    assert "<form" not in web.ask(ONE, token=web.tokens["grace"]).text


def test_a_token_that_is_taken_out_of_the_file_or_has_expired_ends_at_once(web, tmp_path):
    assert web.ask("/api/v1/whoami", token=web.tokens["grace"]).status == 200
    lines = (tmp_path / "tokens").read_text().splitlines()
    (tmp_path / "tokens").write_text(lines[0].replace(" never ", " 2020-01-01T00:00:00Z ") + "\n")
    assert web.ask("/api/v1/whoami", token=web.tokens["grace"]).status == 401
    assert web.ask("/api/v1/whoami", token=web.tokens["ada"]).status == 401


def test_without_tokens_who_is_on_this_machine_reads_and_nobody_acts(running, tmp_path):
    with Web(running, tmp_path, with_tokens=False) as web:
        assert web.ask("/applications").status == 200
        refused = web.ask(f"/api/v1{ONE}/suspend", "POST", {})
        assert refused.status == 403
        assert "start gitops run with --tokens FILE" in refused.json["detail"]
        assert "Acts are off" in web.ask(ONE).text
        # A name of a stranger's server that was made to lead here.
        assert web.ask("/api/v1/applications", Host="evil.example.com").status == 421


def test_without_tokens_and_open_to_the_network_nobody_reads_unless_that_was_said(running, tmp_path):
    with Web(running, tmp_path, with_tokens=False, host="0.0.0.0") as web:
        closed = web.ask("/api/v1/applications")
        assert (closed.status, "--anyone-reads" in closed.json["detail"]) == (401, True)
    with Web(running, tmp_path, with_tokens=False, host="0.0.0.0", anyone_reads=True) as web:
        assert web.ask("/api/v1/applications", Host="gitops.example.com").status == 200
        assert web.ask(f"/api/v1{ONE}/suspend", "POST", {}).status == 403


def test_the_page_acts_for_who_signed_in_and_not_for_another_sites_page(web, running):
    token = web.tokens["ada"]
    assert web.form("/signin", fields={"token": "gitops_wrong"}).status == 401
    signed = web.form("/signin", fields={"token": token})
    cookie = signed.headers["Set-Cookie"]
    assert (signed.status, f"gitops_token={token}" in cookie) == (303, True)
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    act = f"{ONE}/acts/suspend"
    for origin in ("https://evil.example.com", "null", f"http://127.0.0.1.evil.example:{web.port}"):
        assert web.form(act, token, fields={"reason": "x"}, Origin=origin).status == 403
    assert web.ask(act, "POST", b"reason=x", Cookie=f"gitops_token={token}").status == 403
    assert web.form(act, token, fields={"reason": "x"}, Sec_Fetch_Site="cross-site").status == 403
    assert not web.get(ONE)["suspended"]
    done = web.form(act, token, fields={"reason": "from the page"})
    assert (done.status, done.headers["Location"]) == (303, f"{ONE}?said=suspend")
    running.until(lambda: web.get(ONE)["suspended"])
    assert web.form("/signin", fields={"token": token}, Origin="https://evil.example.com").status == 403


def test_no_way_of_writing_a_path_leads_anywhere_else(web):
    token = web.tokens["ada"]
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/applications/gitops/..%2f..%2fetc",
        "/applications/gitops/app%0d%0aSet-Cookie:x=1",
        "/api/v1/applications/GITOPS/app",
        "/api/v1/applications/gitops/%00",
        "//evil.example.com/applications",
    ):
        answer = web.ask(path, token=token)
        assert answer.status in (400, 404), path
        assert "Set-Cookie" not in answer.headers
    assert web.ask(f"{ONE}?said=%3Cscript%3E", token=token).text.count("<script") == 1


def test_who_does_not_take_a_stream_is_disconnected_and_stops_no_probe(web, world, running, monkeypatch):
    monkeypatch.setattr(doors, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("gitops.server.api.stream._BEAT_SECONDS", 0.1)
    stream = Stream(web, web.tokens["ada"])
    running.until(lambda: stream.last)
    time.sleep(1)  # longer than an answer may take: each part that is taken gives it as much again
    world.commit(settings=config_map("settings", a="9"))
    running.until(lambda: stream.events)
    stream.close()
    deaf = socket.create_connection(("127.0.0.1", web.port))
    deaf.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + web.tokens["ada"].encode())
    assert web.ask("/healthz").status == 200
    deaf.close()
