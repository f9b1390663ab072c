"""Who may do what over HTTP: what may not be seen is nowhere, and what may not be done says what is missing."""

import pytest

from gitops.server.auth.tokens import Scope, new_token
from tests.scenarios.http import Stream, Web
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.world import config_map

ONE, OTHER = "/applications/gitops/app", "/applications/gitops/hidden"
LINES = """\
p, grace, applications, *, gitops/hidden, deny
p, ada, applications, override, gitops/*, deny
"""


@pytest.fixture
def web(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    (tmp_path / "policy.csv").write_text(LINES)
    with (
        Running(world) as running,
        Web(running, tmp_path, options={"policy": tmp_path / "policy.csv"}) as found,
    ):
        running.until_synced(sha)
        running.call(lambda: running.put_trusted(application(world, "hidden", targetRevision="main")))
        running.until(lambda: found.get("/applications")["total"] == 2)
        found.running = running
        yield found


def test_an_application_that_may_not_be_seen_is_in_no_list_no_count_and_no_answer(web):
    grace = web.tokens["grace"]
    listed = web.get("/applications", token=grace)
    assert ([one["application"] for one in listed["items"]], listed["total"], listed["known"]) == (["gitops/app"], 1, 1)
    assert sum(listed["counts"]["health"].values()) == 1
    assert web.get("/applications?q=hidden", token=grace)["total"] == 0
    of_web = "kind=Deployment&group=apps&namespace=x&object=web"
    more = (f"/object?{of_web}", f"/logs?{of_web}", f"/logs/stream?{of_web}", "/compare?from=1&to=1", "/tree")
    for path in ("", "/resources", "/history", "/drift", "/events", "/diff", "/rollback", *more):
        hidden = web.ask(f"/api/v1{OTHER}{path}", token=grace)
        nothing = web.ask(f"/api/v1{OTHER.replace('hidden', 'nothing')}{path}", token=grace)
        assert (hidden.status, hidden.text) == (404, nothing.text.replace("nothing", "hidden"))
    for path in ("", f"/object?{of_web}", f"/logs?{of_web}", "/compare/1/1"):
        assert web.ask(f"{OTHER}{path}", token=grace).status == 404
    web.running.until(lambda: web.get("/waiting")["total"] == 1)
    assert (web.get("/waiting", token=grace)["total"], web.get("/waiting", token=grace)["counts"]["held"]) == (0, 0)
    for path in ("/applications", "/applications?q=hidden", "/waiting", "/audit", "/audit?verify=1"):
        text = web.ask(path, token=grace).text
        assert "gitops/hidden" not in text
    assert web.ask(OTHER, token=grace).status == 404
    assert web.ask(f"{OTHER}/diff", token=grace).status == 404


def test_the_audit_log_and_its_proof_tell_nothing_of_it(web):
    web.post(f"{OTHER}/suspend", reason="the night")
    grace = web.tokens["grace"]
    everything = web.get("/audit?limit=200")
    assert "gitops/hidden" in {one["application"] for one in everything["items"]}
    entries = web.get("/audit?limit=200", token=grace)
    assert {one["application"] for one in entries["items"]} == {"gitops/app"}
    page = web.get("/audit?limit=1", token=grace)
    assert page["next"].split("|")[1] == "gitops/app"
    assert web.get("/audit?application=gitops/hidden", token=grace)["items"] == []
    proof = web.get("/audit/verify", token=grace)
    assert {one["application"] for one in proof["items"]} == {"gitops/app"}
    assert proof["chains"] == len(proof["items"])


def test_the_stream_tells_nothing_of_it_not_even_that_it_is_gone(web):
    seeing, blind = Stream(web, web.tokens["ada"]), Stream(web, web.tokens["grace"])
    web.running.until(lambda: seeing.last and blind.last)
    web.post(f"{OTHER}/suspend", reason="x")
    told = lambda stream, name: name in {data.get("application") for _, data, _ in stream.events}  # noqa: E731
    web.running.until(lambda: told(seeing, "gitops/hidden"))
    web.post(f"{ONE}/suspend", reason="x")
    web.running.until(lambda: told(blind, "gitops/app"))
    assert not told(blind, "gitops/hidden")


def test_a_stream_ends_with_its_token(web, tmp_path):
    stream = Stream(web, web.tokens["grace"])
    web.running.until(lambda: stream.last)
    (tmp_path / "tokens").write_text((tmp_path / "tokens").read_text().splitlines()[0] + "\n")
    web.post(f"{ONE}/suspend", reason="x")
    web.running.until(lambda: not stream._thread.is_alive())
    assert stream.events == []


def test_a_request_about_it_is_as_one_that_there_is_not(web):
    number = web.post(f"{OTHER}/refresh", reason="to see").json["request"]
    web.running.until(lambda: web.get(f"/requests/{number}")["outcome"])
    assert web.get(f"/requests/{number}", token=web.tokens["grace"])["outcome"] is None


def test_an_act_that_a_line_denies_says_so_and_is_in_no_log(web):
    refused = web.post(f"{ONE}/sync", confirm=True, reason="now")
    assert refused.status == 403
    assert refused.json["detail"] == "ada may not: that needs override on gitops/app, which a line of the policy denies"
    assert web.get(f"{ONE}/events?fact=sync.requested")["items"] == []
    assert web.post(f"{ONE}/sync", reason="now").status == 202


def test_a_token_for_some_applications_acts_on_these_alone(web, tmp_path):
    made, line = new_token("lin", Scope.OPERATOR, None, ("gitops/a*",))
    with (tmp_path / "tokens").open("a") as file:
        file.write(line + "\n")
    assert web.get("/whoami", token=made)["only"] == ["gitops/a*"]
    assert web.post(f"{ONE}/suspend", token=made, reason="mine").status == 200
    assert web.post(f"{OTHER}/suspend", token=made, reason="mine").status == 404
    assert web.form(f"{OTHER}/acts/suspend", made, fields={"reason": "x"}).status == 404
    assert [one["application"] for one in web.get("/applications", token=made)["items"]] == ["gitops/app"]


def test_the_page_offers_only_what_may_be_done(web, tmp_path):
    (tmp_path / "policy.csv").write_text("p, ada, applications, update, */*, deny\n")
    text = web.ask(ONE, token=web.tokens["ada"]).text
    assert (f"{ONE}/acts/sync" in text, f"{ONE}/acts/suspend" in text) == (True, False)
    assert web.form(f"{ONE}/acts/suspend", web.tokens["ada"], fields={"reason": "x"}).status == 403


def test_a_policy_that_changes_counts_at_once(web, tmp_path):
    assert web.ask(f"/api/v1{OTHER}", token=web.tokens["grace"]).status == 404
    (tmp_path / "policy.csv").write_text("# all is forgiven\n")
    assert web.ask(f"/api/v1{OTHER}", token=web.tokens["grace"]).status == 200


# ── tokens of the cluster ────────────────────────────────────────────────────────────────────────────────────────


def issued(world, account, *audiences):
    """A token of a service account, as `kubectl create token` has one made."""
    accounts = f"/api/v1/namespaces/{world.namespace}/serviceaccounts"
    world.request("POST", accounts, {"metadata": {"name": account}})
    made = world.request("POST", f"{accounts}/{account}/token", {"spec": {"audiences": list(audiences)}})
    return made["status"]["token"]


@pytest.fixture
def clustered(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    policy = tmp_path / "policy.csv"
    policy.write_text(
        "p, role:shop, applications, get, gitops/app, allow\n"
        "p, role:shop, applications, update, gitops/app, allow\n"
        f"g, system:serviceaccount:{world.namespace}:robot, role:shop\n"
        f"g, system:serviceaccounts:{world.namespace}, role:viewer\n"
    )
    options = {"policy": policy, "kubernetes_audience": "gitops"}
    with Running(world) as running, Web(running, tmp_path, with_tokens=False, options=options) as found:
        running.until_synced(sha)
        yield found


def test_a_service_account_does_what_the_policy_allows_its_name_and_groups(clustered, world):
    robot, other = issued(world, "robot", "gitops"), issued(world, "other", "gitops")
    name = f"system:serviceaccount:{world.namespace}:robot"
    known = clustered.get("/whoami", token=robot)
    assert (known["name"], known["by"], known["mayAct"]) == (name, "kubernetes", True)
    assert clustered.post(f"{ONE}/suspend", token=robot, reason="the night").status == 200
    (entry,) = clustered.get(f"{ONE}/events?fact=application.suspended", token=robot)["items"]
    assert (entry["actor"], entry["detail"]["reason"]) == (name, "the night")
    refused = clustered.post(f"{ONE}/sync", token=robot)
    assert (refused.status, "needs sync on gitops/app" in refused.json["detail"]) == (403, True)
    assert clustered.get("/applications", token=other)["total"] == 1
    assert clustered.post(f"{ONE}/suspend", token=other).status == 403


def test_a_token_that_is_not_for_us_lets_nobody_in(clustered, world):
    for token in (issued(world, "robot", "https://kubernetes.default.svc"), "x" * 40, "gitops_nobody", "x" * 9000):
        assert clustered.ask("/api/v1/applications", token=token).status in (400, 401)
    assert clustered.ask("/api/v1/applications").status == 401


def test_who_signs_in_with_a_token_of_the_cluster_acts_on_the_page(clustered, world):
    robot = issued(world, "robot", "gitops")
    signed = clustered.form("/signin", fields={"token": robot})
    assert (signed.status, f"gitops_token={robot}" in signed.headers["Set-Cookie"]) == (303, True)
    assert clustered.form(f"{ONE}/acts/suspend", robot, fields={"reason": "x"}).status == 303
    assert clustered.form(f"{ONE}/acts/sync", robot, fields={"reason": "x"}).status == 403
    assert clustered.form("/signin", fields={"token": "nobody"}).status == 401
