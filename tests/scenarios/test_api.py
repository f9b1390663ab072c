"""The API over HTTP, on a running controller: what it tells is true and as its document says, acts are carried out."""

import json
import socket
import time
from urllib.parse import quote

import jsonschema_rs

from tests.scenarios.http import DOCUMENT, Stream, Web, check
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.world import config_map

ONE = "/applications/gitops/app"


def test_the_document_is_openapi_that_resolves(web):
    served = web.ask("/openapi.json").json
    assert served["openapi"] == "3.1.0"
    assert served["paths"].keys() == DOCUMENT["paths"].keys()
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]})


def test_the_document_tells_a_stream_of_log_lines_with_the_errors_of_a_page_of_them():
    page, stream = (
        DOCUMENT["paths"][f"/api/v1/applications/{{namespace}}/{{name}}/logs{end}"]["get"]["responses"]
        for end in ("", "/stream")
    )
    assert list(stream["200"]["content"]) == ["text/event-stream"]
    assert stream.keys() == page.keys() - {"304"}


def test_every_reading_operation_answers_as_the_document_says(web):
    paths = [path for path, operations in DOCUMENT["paths"].items() if "get" in operations]
    paths = [path for path in paths if "stream" not in path and "export" not in path]
    for path in paths:
        plain = path.removeprefix("/api/v1").replace("{namespace}", "gitops").replace("{name}", "app")
        plain = plain.replace("{project}", "default")
        answer = web.ask(f"/api/v1{plain.replace('{number}', '1')}", token=web.tokens["grace"])
        check(answer, "GET", plain.replace("{number}", "1"))
        needs = any(one["required"] for one in DOCUMENT["paths"][path]["get"]["parameters"] if one["in"] == "query")
        # There is one release only, so no way back.
        assert answer.status == (409 if plain.endswith("rollback") else 400 if needs else 200), answer.text


def test_every_reading_operation_of_an_application_that_there_is_not_says_so(web):
    paths = [path for path, operations in DOCUMENT["paths"].items() if "{name}" in path and "get" in operations]
    assert len(paths) > 10
    for path in paths:
        place = path.replace("{namespace}", "gitops").replace("{name}", "none").replace("{number}", "1")
        given = {one["name"]: one for one in DOCUMENT["paths"][path]["get"]["parameters"] if one["in"] == "query"}
        needed = [name for name, one in given.items() if one["required"]]
        answer = web.ask(f"{place}?{'&'.join(f'{name}=Pod' for name in needed)}", token=web.tokens["grace"])
        assert answer.status in ((404, 400) if needed else (404,)), (path, answer.status, answer.text)


def test_a_list_tells_how_each_application_stands(web, world):
    (one,) = web.get("/applications")["items"]
    assert (one["application"], one["sync"], one["health"]) == ("gitops/app", "Synced", "Healthy")
    assert (one["revision"], one["problem"], one["pending"]) == (world.sha, False, 0)


def test_a_list_is_searched_filtered_sorted_and_paged_on_the_server(web, world, running):
    for name in ("bread", "butter"):
        running.call(lambda name=name: running.put_trusted(application(world, name, targetRevision="main")))
    # Both want what belongs to another: they are held, which is a problem.
    running.until(lambda: web.get("/applications?only=problems")["total"] == 2)
    names = lambda query: [one["application"] for one in web.get(f"/applications?{query}")["items"]]  # noqa: E731
    assert names("sort=-name&limit=2") == ["gitops/butter", "gitops/bread"]
    assert names("sort=name&offset=2") == ["gitops/butter"]
    assert names("q=BUTT%20gitops") == ["gitops/butter"]
    assert names("health=Degraded,Suspended") == []
    assert names("only=problems&sort=name") == ["gitops/bread", "gitops/butter"]
    assert [one["application"] for one in web.get("/applications")["items"]][-1] == "gitops/app"
    assert web.get("/applications?q=app&health=Degraded")["counts"]["health"]["Healthy"] == 1


def test_an_application_is_found_by_what_it_runs_and_where_it_is_reached(web, world, running):
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "shop.example.com", "http": {"paths": [path]}}]},
    }
    assert web.get(ONE)["images"] == ["nginx:1.26"]
    running.until_synced(world.commit(ingress=ingress))
    for words in ("nginx:1.26", "shop.example.com"):
        assert web.get(f"/applications?q={words}")["total"] == 1
    assert web.get("/applications?q=nginx:1.25")["total"] == 0
    assert web.get(ONE)["hosts"] == ["shop.example.com"]
    page = web.ask(ONE, token=web.tokens["ada"]).text
    assert '<a href="https://shop.example.com/" rel="noreferrer noopener">shop.example.com</a>' in page


def test_the_tree_names_each_object_with_its_health(web):
    tree = web.get(f"{ONE}/resources")
    named = {node["object"]: node["health"] for kind in tree["kinds"] for node in kind["objects"]}
    assert {name.split("/")[-1]: health for name, health in named.items()} == {"settings": "Healthy", "web": "Healthy"}
    assert tree["inventory"]["lastSync"]["outcome"] == "synced"


def test_the_history_has_releases_and_what_was_tried(web, world, running):
    second = world.commit("Two <b>is</b> better", settings=config_map("settings", a="2"))
    running.until_synced(second)
    history = web.get(f"{ONE}/history")
    told = [(one["subject"], one["author"]) for one in history["attempts"]]
    assert told == [("Two <b>is</b> better", "Ada"), ("change", "Ada")]
    assert "Two &lt;b&gt;is&lt;/b&gt; better" in web.ask(ONE, token=web.tokens["ada"]).text
    assert [(one["revision"], one["release"], one["outcome"]) for one in history["attempts"]] == [
        (second, 2, "synced"),
        (world.sha, 1, "synced"),
    ]
    assert [one["number"] for one in history["releases"]] == [2, 1]


def test_the_plan_that_waits_says_who_owns_each_field_and_is_approved_by_its_id(world, tmp_path):
    first = world.commit(settings=config_map("settings", a="1"))
    world.sync()
    with Running(world, automated=False, drift="report") as running, Web(running, tmp_path) as web:
        running.until_synced(first)
        second = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: web.get(ONE)["plan"])
        plan = web.get(f"{ONE}/diff")
        (change,) = [change for step in plan["steps"] for change in step["changes"]]
        (changed,) = change["fields"]
        assert (changed["path"], changed["live"], changed["desired"]) == ("data.a", "1", "2")
        assert (changed["owner"]["manager"], plan["waits"]) == ("gitops", True)
        assert web.post(f"{ONE}/approve", plan="0" * 64).status == 409
        done = web.post(f"{ONE}/approve", plan=plan["id"], reason="looked at it")
        assert (done.status, done.json["by"]) == (200, "ada")
        running.until_synced(second)
        entry = next(one for one in web.get(f"{ONE}/events")["items"] if one["fact"] == "application.approved")
        assert (entry["actor"], entry["detail"]["reason"]) == ("ada", "looked at it")


def test_drift_is_told_with_who_did_it(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    with Running(world, drift="report") as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        path = f"/api/v1/namespaces/{world.namespace}/configmaps/settings"
        world.request("PATCH", path, {"data": {"a": "5"}}, "kubectl-edit", "application/merge-patch+json")
        running.until(lambda: web.get(ONE)["drift"])
        drift = web.get(f"{ONE}/drift")
        (field,) = drift["drift"][0]["fields"]
        assert (field["owner"]["manager"], drift["recorded"]["fact"]) == ("kubectl-edit", "drift.detected")
        assert [one["application"] for one in web.get("/applications?only=drifted")["items"]] == ["gitops/app"]


def test_a_suspension_is_recorded_with_its_person_and_reason_and_is_lifted(web, running):
    assert web.post(f"{ONE}/suspend", reason="the night").json["act"] == "suspend"
    running.until(lambda: web.get(ONE)["suspended"])
    assert web.post(f"{ONE}/resume").status == 200
    running.until(lambda: not web.get(ONE)["suspended"])
    facts = [(one["fact"], one["actor"], one["detail"].get("reason")) for one in web.get("/audit?fact=app*")["items"]]
    assert facts == [("application.resumed", "ada", None), ("application.suspended", "ada", "the night")]


def test_a_sync_and_a_refresh_are_carried_out_and_answered(web, running):
    for act in ("sync", "refresh"):
        asked = web.post(f"{ONE}/{act}", reason="to see")
        assert asked.status == 202
        number = asked.json["request"]
        running.until(lambda number=number: web.get(f"/requests/{number}")["outcome"])
        assert web.get(f"/requests/{number}")["outcome"] == "in-sync"


def test_a_rollback_goes_by_the_plan_that_was_shown_and_by_no_other(web, world, running):
    second = world.commit(settings=config_map("settings", a="2"))
    running.until_synced(second)
    plan = web.get(f"{ONE}/rollback?release=1")
    (change,) = [change for step in plan["steps"] for change in step["changes"]]
    assert (change["fields"][0]["desired"], plan["release"]) == ("1", 1)

    other = web.post(f"{ONE}/rollback", release=1, plan="0" * 64).json["request"]
    running.until(lambda: web.get(f"/requests/{other}")["outcome"])
    assert web.get(f"/requests/{other}")["outcome"] == "held"
    assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}

    asked = web.post(f"{ONE}/rollback", release=1, plan=plan["id"], reason="2 is wrong").json["request"]
    running.until(lambda: web.get(f"/requests/{asked}")["outcome"])
    assert web.get(f"/requests/{asked}")["outcome"] == "synced", web.get(f"/requests/{asked}")
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
    quarantine = web.get(f"{ONE}/resources")["inventory"]["quarantine"]
    assert (quarantine["revision"], quarantine["reason"]) == (second, "rolled back by ada")
    time.sleep(1)  # some looks at the repository later it is still so
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
    world.check_audit()


def test_the_proof_is_whole_until_somebody_changes_an_entry(web, world):
    proof = web.get("/audit/verify?application=gitops/app")
    assert (proof["whole"], proof["anchored"]) == (True, 1)
    import sqlite3

    with sqlite3.connect(world.state / "gitops.db") as database:
        database.execute("UPDATE audit SET actor = 'mallory' WHERE seq = 1")
    proof = web.get("/audit/verify")
    assert (proof["whole"], proof["wrong"]) == (False, 1)
    assert "was changed after it was written" in proof["items"][0]["wrong"]


def test_audit_entries_come_page_by_page(web):
    first = web.get("/audit?limit=2")
    rest = web.get(f"/audit?limit=200&before={first['next']}".replace("|", "%7C").replace("+", "%2B"))
    seqs = [one["seq"] for one in (*first["items"], *rest["items"])]
    assert seqs == sorted(seqs, reverse=True)
    assert (seqs[-1], rest["next"]) == (1, None)


def test_who_has_an_answer_already_is_sent_none(web):
    answer = web.ask("/api/v1/applications", token=web.tokens["ada"])
    again = web.ask("/api/v1/applications", token=web.tokens["ada"], If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_what_is_not_understood_is_a_problem_that_names_it(web):
    for query, why in {
        "limit=0": "limit: expected 1 to 500",
        "limit=x": "limit: expected a whole number",
        "health=Well": "health: expected one of",
        "colour=red": "colour: there is no such parameter",
        "q=a&q=b": "given twice",
        f"q={'x' * 300}": "q: expected 0 to 200 characters",
        "sort=shoe": "sort: expected one of",
    }.items():
        answer = web.ask(f"/api/v1/applications?{query}", token=web.tokens["ada"])
        check(answer, "GET", "/applications")
        assert (answer.status, answer.json["detail"][: len(why)] == why or why in answer.json["detail"]) == (400, True)
    nobody = web.ask("/api/v1/applications/gitops/nobody", token=web.tokens["ada"])
    assert (nobody.status, nobody.json["detail"]) == (404, "this controller knows no Application gitops/nobody")


def test_what_the_document_does_not_allow_is_refused_and_what_it_allows_is_taken(web):
    schema = lambda act: DOCUMENT["paths"][f"/api/v1/applications/{{namespace}}/{{name}}/{act}"]["post"]  # noqa: E731
    body = lambda act: schema(act)["requestBody"]["content"]["application/json"]["schema"]  # noqa: E731
    plan = "0" * 64
    for act, sent in (
        ("refresh", {"reason": None}),
        ("refresh", {"reason": "a\0b"}),
        ("sync", {"confirm": None}),
        ("rollback", {"release": 1.5, "plan": plan}),
        ("rollback", {"release": 1e300, "plan": plan}),
    ):
        assert not jsonschema_rs.is_valid(body(act), sent), sent
        answer = web.post(f"{ONE}/{act}", **sent)
        assert answer.status == 400, sent
    assert jsonschema_rs.is_valid(body("rollback"), {"release": 1.0, "plan": plan})
    assert web.post(f"{ONE}/rollback", release=1.0, plan=plan).status == 202
    for before in ("x", "a|b|c|d", "a|b|c|1|2", "a|b|c|\u0665"):
        answer = web.ask(f"/api/v1/audit?before={quote(before)}", token=web.tokens["ada"])
        assert (answer.status, answer.json["detail"]) == (400, "before: expected what `next` of another page was")


def test_what_is_no_name_of_an_object_is_an_object_that_there_is_not(web):
    for name in ("a/b", "a%2e", "..", "line\nbreak", "\x98"):
        query = f"kind=Pod&namespace=x&object={quote(name)}"
        for path in (f"{ONE}/object?{query}", f"{ONE}/logs?{query}"):
            answer = web.ask(f"/api/v1{path}", token=web.tokens["ada"])
            check(answer, "GET", path)
            assert (answer.status, answer.json["title"]) == (404, "No such object")
        assert web.post(f"{ONE}/object/restart", kind="Pod", namespace="x", object=name).status == 404


def test_a_method_that_there_is_not_is_told_which_there_are(web):
    for method, path, allowed in (
        ("POST", f"/api/v1{ONE}", {"GET", "HEAD"}),
        ("TRACE", f"/api/v1{ONE}/sync", {"POST"}),
        ("HEAD", "/api/v1/stream", {"GET"}),
        ("HEAD", "/api/v1/audit/export", {"GET"}),
        ("HEAD", f"/api/v1{ONE}/logs/stream", {"GET"}),
        ("DELETE", "/clusters", {"GET", "HEAD"}),
    ):
        answer = web.ask(path, method, token=web.tokens["ada"])
        assert (answer.status, set(answer.headers.get("Allow", "").split(","))) == (405, allowed), path
    head = web.ask("/api/v1/applications", "HEAD", token=web.tokens["ada"])
    assert (head.status, head.body, bool(head.headers["ETag"])) == (200, b"", True)


def test_what_is_no_request_is_a_problem_that_repeats_nothing_and_leaves_no_trace(web, caplog):
    for sent in (
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n<b>: c\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(sent)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.")
        assert b"application/problem+json" in head
        assert json.loads(body)["detail"].startswith("that is no request of HTTP/1.1")
    assert [one for one in caplog.records if one.name.startswith("aiohttp")] == []


def test_bodies_that_are_not_understood_change_nothing(web):
    token = web.tokens["ada"]
    path = f"/api/v1{ONE}/suspend"
    assert web.ask(path, "POST", b"{", token).status == 400
    assert web.ask(path, "POST", b"[]", token).status == 400
    assert web.ask(path, "POST", {"why": "x"}, token).status == 400
    assert web.ask(path, "POST", {"reason": 5}, token).status == 400
    assert web.ask(path, "POST", b"{}", token, Content_Type="text/plain").status == 415
    assert web.ask(path, "POST", b" " * 100_000, token).status == 413
    assert not web.get(ONE)["suspended"]


def test_the_stream_tells_a_commit_soon_and_goes_on_where_it_was_cut_off(web, world, running):
    stream = Stream(web, web.tokens["grace"])
    running.until(lambda: stream.last)
    sha = world.commit(settings=config_map("settings", a="2"))
    told = lambda found: any(  # noqa: E731
        name == "application" and data["revision"] == sha and data["sync"] == "Synced" for name, data, _ in found.events
    )
    running.until(lambda: told(stream))
    stream.close()
    third = world.commit(settings=config_map("settings", a="3"))
    running.until_synced(third)
    again = Stream(web, web.tokens["grace"], last=stream.last)
    running.until(lambda: again.events)
    assert {name for name, _, _ in again.events} == {"application"}
    lost = Stream(web, web.tokens["grace"], last="ffffffff-3")
    running.until(lambda: lost.events)
    assert lost.events[0][0] == "reset"
    for one in (again, lost):
        one.close()


def test_a_server_that_stops_ends_its_streams_and_waits_for_nobody(web, running):
    stream = Stream(web, web.tokens["grace"])
    running.until(lambda: stream.last)
    web.__exit__()
    running.until(lambda: web._task.done() and not stream._thread.is_alive())
