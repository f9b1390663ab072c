"""Policies: what Argo CD's lines come to, that a denial wins, and that no line is half understood."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gitops.model.errors import ConfigError
from gitops.model.globs import glob
from gitops.server.auth.decisions import Decisions
from gitops.server.auth.person import NOBODY, Person, Way, is_reserved
from gitops.server.auth.policy import Verdict, read_policy
from gitops.server.auth.policy_file import PolicyFile
from gitops.server.problems import Problem

LINES = """\
# who ships what
p, role:shop, applications, get, shop/*, allow
p, role:shop, applications, sync, shop/*, allow
p, role:shop, applications, *, shop/payments, deny
p, role:shop, projects, get, *, allow
p, ada@example.com, applications, "{get,update}", "bank/{a,b}*", allow
g, shop-team, role:shop
g, leads, shop-team
g, root@example.com, role:admin
"""


def verdict(names, action, application, text=LINES):
    policy, wrong = read_policy(text)
    assert wrong == []
    return policy.decide(frozenset(names), action, application)


@pytest.mark.parametrize(
    ("name", "action", "application", "expected"),
    [
        ("shop-team", "sync", "shop/web", Verdict.ALLOWED),
        ("leads", "sync", "shop/web", Verdict.ALLOWED),
        ("shop-team", "update", "shop/web", Verdict.NOT_ALLOWED),
        ("shop-team", "sync", "bank/web", Verdict.NOT_ALLOWED),
        ("shop-team", "get", "shop/payments", Verdict.DENIED),
        ("shop-teams", "get", "shop/web", Verdict.NOT_ALLOWED),
        ("ada@example.com", "update", "bank/b1", Verdict.ALLOWED),
        ("ada@example.com", "update", "bank/c1", Verdict.NOT_ALLOWED),
        ("root@example.com", "delete", "any/thing", Verdict.ALLOWED),
        ("role:viewer", "get", "any/thing", Verdict.ALLOWED),
        ("role:viewer", "sync", "any/thing", Verdict.NOT_ALLOWED),
        ("role:readonly", "get", "any/thing", Verdict.ALLOWED),
        ("role:operator", "override", "any/thing", Verdict.ALLOWED),
        ("role:operator", "delete", "any/thing", Verdict.NOT_ALLOWED),
        ("", "get", "any/thing", Verdict.NOT_ALLOWED),
    ],
)
def test_lines_come_to_what_argo_cd_makes_of_them(name, action, application, expected):
    assert verdict([name], action, application) is expected


def test_a_denial_of_one_group_wins_over_what_another_allows():
    assert verdict(["shop-team", "root@example.com"], "sync", "shop/payments") is Verdict.DENIED


def test_the_policy_of_the_documentation_is_one_and_says_what_it_says_there():
    text = (Path(__file__).parents[2] / "docs/page.md").read_text()
    lines = text.partition("### Policies")[2].split("```")[1]
    assert verdict(["shop-team"], "sync", "shop/web", lines) is Verdict.ALLOWED
    assert verdict(["shop-team"], "sync", "shop/payments", lines) is Verdict.DENIED


def test_roles_that_are_each_other_have_an_end():
    assert verdict(["a"], "get", "x/y", "g, a, b\ng, b, a\np, b, applications, get, x/y, allow") is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("text", "fits", "fits_not"),
    [
        ("*", ["shop/web", ""], []),
        ("shop/*", ["shop/web", "shop/"], ["shops/web", "a/shop/web"]),
        ("*/web", ["shop/web"], ["shop/webs"]),
        ("shop/we?", ["shop/web"], ["shop/we", "shop/webs"]),
        ("shop/[a-c]", ["shop/b"], ["shop/d"]),
        ("shop/[!a-c]", ["shop/d"], ["shop/b"]),
        ("{shop,bank}/{a,b{1,2}}", ["shop/a", "bank/b2"], ["bank/b", "cafe/a"]),
        ("a.b/(c)+", ["a.b/(c)+"], ["axb/(c)+", "a.b/cc"]),
        (r"a/\*", ["a/*"], ["a/b"]),
    ],
)
def test_a_glob_fits_what_argo_cds_would(text, fits, fits_not):
    pattern = glob(text)
    assert [name for name in fits if not pattern.fullmatch(name)] == []
    assert [name for name in fits_not if pattern.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("p, role:x, applications, get, shop/*", "expected p, SUBJECT"),
        ("p, role:x, applications, get, shop/*, maybe", "expected allow or deny"),
        ("p, role:x, application, get, shop/*, deny", "no such resource"),
        ("p, role:x, applications, synch, shop/*, deny", "no such action"),
        ("p, role:x, applications, get, shop, deny", "expected NAMESPACE/NAME"),
        ("p, role:x, applications, get, a/default/shop/web, deny", "expected NAMESPACE/NAME"),
        ("p, role:x, applications, get, shop/[a, deny", "a bracket is not closed"),
        ("p, , applications, get, shop/*, deny", "the subject is missing"),
        ("g, ada", "expected g"),
        ("allow everybody", "begins with p or g"),
        ('p, "role:x, applications, get, shop/*, deny', "unexpected end"),
        ("p, role:x, applications, get, shop/[z-a], deny", "no set of characters"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named_and_starts_nobody(line, why, tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text(f"# ours\n{line}\n")
    with pytest.raises(ConfigError, match=r"policy\.csv: line 2: ") as told:
        PolicyFile(path).check()
    assert why in str(told.value)


def test_a_file_that_goes_wrong_while_we_run_changes_nothing(tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text(LINES)
    file = PolicyFile(path)
    file.check()
    allowed = lambda: file.policy.decide(frozenset({"shop-team"}), "sync", "shop/web")  # noqa: E731
    path.write_text("p, shop-team, applications, sync, shop/*, denied\n")
    assert allowed() is Verdict.ALLOWED
    path.unlink()
    assert allowed() is Verdict.ALLOWED
    path.write_text("# nobody\n")
    assert allowed() is Verdict.NOT_ALLOWED


def test_a_file_that_goes_wrong_is_told_of_once_each_time(tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text(LINES)
    file = PolicyFile(path)
    with capture_logs() as lines:
        for text in (LINES + "\n", "nonsense\n", "nonsense\n\n", LINES, "nonsense\n"):
            path.write_text(text)
            for _ in range(3):
                assert file.policy
    assert [line["event"] for line in lines] == ["policy.wrong", "policy.wrong"]
    assert lines[0]["error"] == "line 1: expected a line that begins with p or g"


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def decisions(tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text(LINES + "p, ada, applications, update, shop/*, deny\ng, ada, role:admin\n")
    return Decisions(PolicyFile(path))


def token(role, *only):
    return Person("ada", Way.TOKEN, (role,), only=only)


def test_a_token_may_what_its_scope_says_and_no_line_gives_it_more(decisions):
    assert decisions.may(token("role:viewer"), "get", "bank/x")
    assert not decisions.may(token("role:viewer"), "sync", "bank/x")
    assert decisions.may(token("role:operator"), "update", "bank/x")
    assert not decisions.may(token("role:operator"), "update", "shop/x")


def test_a_token_for_some_applications_neither_sees_nor_changes_others(decisions):
    person = token("role:admin", "shop/*")
    assert decisions.may(person, "sync", "shop/web")
    assert not decisions.sight(person)("bank/x")
    with pytest.raises(Problem) as told:
        decisions.check(person, "sync", "bank/x")
    assert (told.value.status, told.value.detail) == (404, "this controller knows no Application bank/x")


def test_who_may_see_but_not_act_is_told_what_is_missing(decisions):
    person = Person("eve", Way.OIDC, groups=("shop-team",))
    with pytest.raises(Problem) as told:
        decisions.check(person, "update", "shop/web")
    assert told.value.status == 403
    assert (
        told.value.detail
        == "eve may not: that needs update on shop/web, which no line of the policy allows (--policy-file)"
    )


def test_a_token_that_may_not_is_told_its_scope(decisions):
    with pytest.raises(Problem) as told:
        decisions.check(token("role:viewer"), "sync", "bank/x")
    assert told.value.status == 403
    assert told.value.detail == "ada may not: that needs sync on bank/x, and this token's scope is viewer"


@pytest.mark.parametrize(
    ("person", "title"),
    [
        (Person("ada", Way.TOKEN, ("role:operator",)), "operator"),
        (Person("ada", Way.OIDC, ("role:viewer", "role:shop")), "viewer, shop"),
        (Person("ada", Way.OIDC, groups=("shop-team",)), Way.OIDC.value),
    ],
)
def test_a_person_is_called_by_their_roles_else_by_who_knows_them(person, title):
    assert person.title == title


def test_only_who_sees_all_sees_everything(decisions):
    assert decisions.sight(NOBODY).is_everything
    assert decisions.sight(token("role:viewer")).is_everything
    assert not decisions.sight(token("role:viewer", "shop/*")).is_everything
    assert not decisions.sight(Person("x", Way.OIDC, groups=("role:viewer", "shop-team"))).is_everything
    assert not decisions.sight(Person("x", Way.OIDC)).is_everything


@pytest.mark.parametrize(
    ("application", "is_everything"),
    [
        ("*", True),
        ("*/*", True),
        ("**", True),
        ("**/**", True),
        ("shop/*", False),
        ("*/web", False),
        ("*/*/*", False),
        ("shop/web", False),
    ],
)
def test_a_line_is_about_everything_only_where_it_names_nothing(tmp_path, application, is_everything):
    path = tmp_path / "policy.csv"
    path.write_text(f"p, team, applications, get, {application}, allow\n")
    sight = Decisions(PolicyFile(path)).sight(Person("x", Way.OIDC, groups=("team",)))
    assert sight.is_everything is is_everything
    assert sight("bank/secret") is is_everything


def test_who_is_denied_one_application_does_not_see_everything(tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text("p, team, applications, get, *, allow\np, team, applications, get, bank/*, deny\n")
    sight = Decisions(PolicyFile(path)).sight(Person("x", Way.OIDC, groups=("team",)))
    assert (sight.is_everything, sight("shop/web"), sight("bank/secret")) == (False, True, False)


def test_what_is_allowed_to_do_elsewhere_is_no_sight_of_everything(tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text("p, team, applications, sync, *, allow\np, team, applications, get, shop/*, allow\n")
    assert not Decisions(PolicyFile(path)).sight(Person("x", Way.OIDC, groups=("team",))).is_everything


def test_nobody_from_elsewhere_is_called_like_a_role_or_the_cluster_itself():
    assert [name for name in ("role:admin", "system:masters", "ada", "roles") if is_reserved(name)] == [
        "role:admin",
        "system:masters",
    ]


FINE = """\
p, ann, applications, action/apps/Deployment/restart, shop/*, allow
p, ben, applications, action/*, shop/*, allow
p, ben, applications, action/apps/StatefulSet/*, shop/*, deny
p, cem, applications, delete, shop/*, allow
p, cem, applications, delete/*/Secret/*, shop/*, deny
p, dan, applications, delete/*/Pod/*/*, shop/*, allow
p, eve, applications, *, shop/*, allow
p, eve, applications, delete, shop/*, deny
"""


@pytest.mark.parametrize(
    ("name", "action", "expected"),
    [
        ("ann", "action/apps/Deployment/restart", Verdict.ALLOWED),
        ("ann", "action/apps/Deployment/scale", Verdict.NOT_ALLOWED),
        ("ben", "action/apps/Deployment/scale", Verdict.ALLOWED),
        ("ben", "action/apps/StatefulSet/scale", Verdict.DENIED),
        ("cem", "delete//ConfigMap/shop/a", Verdict.ALLOWED),
        ("cem", "delete//Secret/shop/a", Verdict.DENIED),
        ("dan", "delete//Pod/shop/web-1", Verdict.ALLOWED),
        ("dan", "delete//Service/shop/web", Verdict.NOT_ALLOWED),
        ("eve", "action/apps/Deployment/restart", Verdict.ALLOWED),
        ("eve", "delete//Pod/shop/web-1", Verdict.DENIED),
        ("role:operator", "action/apps/Deployment/restart", Verdict.ALLOWED),
        ("role:operator", "delete//Pod/shop/web-1", Verdict.NOT_ALLOWED),
        ("role:viewer", "action/apps/Deployment/restart", Verdict.NOT_ALLOWED),
    ],
)
def test_an_action_on_one_object_is_named_as_argo_cd_names_it(name, action, expected):
    assert verdict([name], action, "shop/web", FINE) is expected


def test_who_may_act_on_objects_alone_may_act(tmp_path):
    (tmp_path / "policy.csv").write_text(FINE)
    decisions = Decisions(PolicyFile(tmp_path / "policy.csv"))
    assert decisions.may_act(Person("ann", Way.OIDC))
    assert not decisions.may_act(Person("zoe", Way.OIDC))
