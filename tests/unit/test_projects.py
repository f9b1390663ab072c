"""Projects: what Argo CD's AppProject permits, and that no limit is left out in silence."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.controller.followed_file import FollowedFile
from gitops.controller.projects import Projects
from gitops.controller.registry import Registration
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, Destination, KubeConfig, SourceSpec
from gitops.model.errors import ConfigError
from gitops.model.project import OPEN, ClusterNames, ProjectLimits
from gitops.project_file import read_projects
from gitops.server.auth.decisions import Decisions
from gitops.server.auth.decisions import Projects as InProjects
from gitops.server.auth.person import Person, Way
from gitops.server.auth.policy import Verdict, read_policy, why_no_roles
from gitops.server.auth.policy_file import PolicyFile
from policies.projects import (
    objects_refused,
    permits_destination,
    permits_kind,
    permits_source,
    reason_refused,
    reason_to_wait_in,
)

HOME = ClusterNames(("in-cluster",), ("https://kubernetes.default.svc",))
PLAIN = "destinations: [{server: '*', namespace: '*'}], sourceRepos: ['*']"


def read(tmp_path, spec, name="shop"):
    path = tmp_path / "projects.yaml"
    path.write_text(
        f"apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )
    return read_projects(path, why_no_roles)[name]


def app(name="web", namespace="gitops", project="shop", url="https://git.example.com/shop/web.git", **where):
    where = {"namespace": "shop", **where}
    return Application(
        name, namespace, source=SourceSpec(repoURL=url), destination=Destination(**where), project=project
    )


@pytest.mark.parametrize(
    ("repos", "address", "is_permitted"),
    [
        (["*"], "https://git.example.com/shop/web", True),
        ([], "https://git.example.com/shop/web", False),
        (["https://git.example.com/shop/*"], "https://git.example.com/shop/web.git", True),
        (["https://git.example.com/shop/*"], "https://git.example.com/shop/web/more", False),
        (["https://git.example.com/**"], "https://git.example.com/shop/web/more", True),
        (["https://git.example.com/shop/*"], "https://git.example.com/shopping/web", False),
        (["https://git.example.com/shop/web.git"], "HTTPS://git.example.com/Shop/web", True),
        (["git@git.example.com:shop/*"], "ssh://git@git.example.com/shop/web.git", True),
        (["ssh://git@git.example.com/shop/*"], "git@git.example.com:shop/web.git", True),
        (["https://git.example.com/*/*"], "https://git.example.com@evil.example/shop/web", False),
        (["https://git.example.com/shop/**"], "https://git.example.com/shop/../bank/web", False),
        (["https://git.example.com/shop/**"], "https://git.example.com/shop/%2e%2e/bank/web", False),
        (["*", "!https://git.example.com/bank/*"], "https://git.example.com/bank/web", False),
        (["*", "!https://git.example.com/bank/*"], "https://git.example.com/shop/web", True),
        (["!https://git.example.com/bank/*"], "https://git.example.com/bank/web", False),
        (["!https://git.example.com/bank/*"], "https://git.example.com/shop/web", True),
        (["!https://git.example.com/bank/*", "*"], "https://git.example.com/bank/web.git", False),
    ],
)
def test_a_source_is_permitted_where_argo_cd_would_permit_it(repos, address, is_permitted):
    assert permits_source(replace(OPEN, sourceRepos=tuple(repos)), address) is is_permitted


@pytest.mark.parametrize(
    ("spec", "cluster", "namespace", "is_permitted"),
    [
        ("[{server: '*', namespace: '*'}]", HOME, "shop", True),
        ("[]", HOME, "shop", False),
        ("[{name: in-cluster, namespace: shop-*}]", HOME, "shop-prod", True),
        ("[{name: in-cluster, namespace: shop-*}]", HOME, "bank", False),
        ("[{name: east, namespace: '*'}]", HOME, "shop", False),
        ("[{server: 'https://kubernetes.default.svc', namespace: shop}]", HOME, "shop", True),
        ("[{server: '*', namespace: '!kube-system'}]", HOME, "kube-system", False),
        ("[{server: '*', namespace: '!kube-system'}]", HOME, "shop", True),
        ("[{server: '*', namespace: '!kube-*'}, {server: '*', namespace: '*'}]", HOME, "kube-system", False),
        ("[{name: in-cluster, namespace: '!kube-*'}, {server: '*', namespace: '*'}]", HOME, "kube-system", False),
        ("[{name: east, namespace: '!kube-*'}, {server: '*', namespace: '*'}]", HOME, "kube-system", True),
        (
            "[{server: '!https://prod', namespace: '*'}, {server: '*', namespace: '*'}]",
            ClusterNames(("prod",), ("https://prod",)),
            "shop",
            False,
        ),
        ("[{server: '!https://prod', namespace: '*'}, {server: '*', namespace: '*'}]", HOME, "shop", True),
        ("[{server: '!https://prod', namespace: '*'}, {server: '*', namespace: '*'}]", ClusterNames(), "shop", False),
        ("[{server: '*', namespace: '*'}]", ClusterNames(), "shop", True),
        ("[{server: 'https://*', namespace: '*'}]", ClusterNames(), "shop", False),
    ],
)
def test_a_destination_is_permitted_where_argo_cd_would_permit_it(tmp_path, spec, cluster, namespace, is_permitted):
    project = read(tmp_path, f"destinations: {spec}")
    assert permits_destination(project, cluster, namespace) is is_permitted


NAMESPACE, ROLE = (
    ResourceKey("", "Namespace", "", "shop"),
    ResourceKey("rbac.authorization.k8s.io", "Role", "shop", "a"),
)
SECRET = ResourceKey("", "Secret", "shop", "login")


@pytest.mark.parametrize(
    ("spec", "permitted", "refused"),
    [
        ("", [SECRET, ROLE], [NAMESPACE]),
        ("clusterResourceWhitelist: [{group: '*', kind: '*'}]", [NAMESPACE, SECRET], []),
        ("clusterResourceWhitelist: [{group: '', kind: Namespace}]", [NAMESPACE], []),
        ("clusterResourceWhitelist: [{group: '', kind: Namespace, name: team-*}]", [], [NAMESPACE]),
        ("clusterResourceWhitelist: [{group: apps, kind: Namespace}]", [], [NAMESPACE]),
        (
            "clusterResourceWhitelist: [{group: '*', kind: '*'}], clusterResourceBlacklist: [{group: '', kind: Name*}]",
            [],
            [NAMESPACE],
        ),
        ("namespaceResourceWhitelist: []", [], [SECRET, ROLE]),
        ("namespaceResourceWhitelist: [{group: '', kind: Secret}]", [SECRET], [ROLE]),
        ("namespaceResourceBlacklist: [{group: rbac.authorization.k8s.io, kind: '*'}]", [SECRET], [ROLE]),
    ],
)
def test_kinds_are_permitted_as_argo_cd_permits_them(tmp_path, spec, permitted, refused):
    project = read(tmp_path, spec)
    assert [key for key in (*permitted, *refused) if permits_kind(project, key)] == permitted


def test_an_object_in_a_namespace_that_is_not_permitted_is_refused(tmp_path):
    limits = ProjectLimits(read(tmp_path, "destinations: [{name: in-cluster, namespace: shop}]"), HOME)
    elsewhere = SECRET._replace(namespace="bank")
    ((key, reason),) = objects_refused(limits, [SECRET, elsewhere])
    assert key == elsewhere
    assert reason == "Secret bank/login: project shop does not permit its namespace (destinations)"


def test_an_application_is_refused_by_what_it_says_of_itself(tmp_path):
    limits = ProjectLimits(
        read(
            tmp_path,
            "sourceRepos: ['https://git.example.com/shop/*'], sourceNamespaces: [team-*], "
            "destinations: [{name: in-cluster, namespace: shop}]",
        ),
        HOME,
    )
    assert reason_refused(limits, app(), "gitops") == ""
    assert reason_refused(limits, app(namespace="team-a"), "gitops") == ""
    assert "may not live in namespace bank" in reason_refused(limits, app(namespace="bank"), "gitops")
    two = replace(app(), sources=(app().source, SourceSpec(repoURL="https://ada:pw@git.example.com/bank/x")))
    assert reason_refused(limits, two, "gitops") == (
        "project shop does not permit the source https://git.example.com/bank/x (sourceRepos)"
    )
    assert "namespace bank of cluster in-cluster" in reason_refused(
        limits, replace(app(), destination=Destination(namespace="bank")), "gitops"
    )


MONDAY = datetime(2026, 11, 30, 12, tzinfo=UTC)
OFFICE = "kind: allow, schedule: '0 9 * * 1-5', duration: 8h"
NIGHT = "kind: allow, schedule: '0 22 * * *', duration: 1h"
FREEZE = "kind: deny, schedule: '0 0 * * 1', duration: 24h"


@pytest.mark.parametrize(
    ("windows", "waits", "waits_for_person"),
    [
        ([], False, False),
        ([f"{OFFICE}, applications: ['*']"], False, False),
        ([f"{NIGHT}, applications: ['*']"], True, True),
        ([f"{NIGHT}, applications: ['*'], manualSync: true"], True, False),
        ([f"{NIGHT}, applications: [other]"], False, False),
        ([f"{FREEZE}, namespaces: [sh*]"], True, True),
        ([f"{FREEZE}, clusters: [in-cluster], manualSync: true"], True, False),
        ([f"{FREEZE}, clusters: ['https://k*'], manualSync: true", f"{OFFICE}, applications: ['*']"], True, False),
        ([f"{FREEZE}, applications: [web], namespaces: [bank], andOperator: true"], False, False),
        ([f"{FREEZE}, applications: [web], namespaces: [bank]"], True, True),
        ([f"{FREEZE}, applications: [web], manualSync: true", f"{NIGHT}, applications: ['*']"], True, False),
        ([f"{NIGHT}, applications: ['*'], manualSync: true", f"{NIGHT}, namespaces: ['*']"], True, True),
    ],
)  # fmt: skip
def test_windows_hold_back_whom_argo_cds_would(tmp_path, windows, waits, waits_for_person):
    project = read(tmp_path, f"syncWindows: [{', '.join(f'{{{one}}}' for one in windows)}]")
    limits = ProjectLimits(project, HOME)
    assert bool(reason_to_wait_in(limits, app(), MONDAY, manual=False)) is waits
    assert bool(reason_to_wait_in(limits, app(), MONDAY, manual=True)) is waits_for_person


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("sourceRepo: ['*']", "spec.sourceRepo: unknown field; did you mean sourceRepos?"),
        ("signatureKeys: [{keyID: '4AEE18F83AFDEB23'}]", "spec.signatureKeys: is not enforced by this controller"),
        ("permitOnlyProjectScopedClusters: true", "spec.permitOnlyProjectScopedClusters: is not enforced"),
        ("destinationServiceAccounts: [{server: '*'}]", "use sync.serviceAccount of each Application"),
        ("sourceRepos: ['!*']", "spec.sourceRepos[0]: !* would deny everything"),
        ("sourceRepos: ['https://a/[b']", "spec.sourceRepos[0]: https://a/[b: a bracket is not closed"),
        ("destinations: [{namespace: shop}]", "spec.destinations[0]: say a server (or the name of a cluster)"),
        ("destinations: [{server: '*'}]", "spec.destinations[0]: say a server (or the name of a cluster)"),
        ("syncWindows: [{kind: allow, schedule: '@daily', duration: 1h}]", "say for which applications"),
        ("syncWindows: [{kind: never, schedule: '@daily', duration: 1h}]", "spec.syncWindows[0].kind: expected one of"),
        ("syncWindows: [{kind: deny, schedule: '61 * * * *', duration: 1h, clusters: ['*']}]", "syncWindows[0]"),
        ("clusterResourceWhitelist: [{group: '*'}]", "spec.clusterResourceWhitelist[0]: kind is missing"),
        ("roles: [{name: ci}, {name: ci}]", "another role is called ci too"),
        (
            "roles: [{name: ci, policies: ['p, proj:shop:ci, applications, sync, bank/*, allow']}]",
            "role ci: expected p, proj:shop:ci, applications, ACTION, shop/APPLICATION",
        ),
        ("roles: [{name: ci, policies: ['p, role:admin, applications, sync, shop/*, allow']}]", "role ci: expected p,"),
        ("roles: [{name: ci, policies: ['g, ada, role:admin']}]", "role ci: expected p,"),
        ("roles: [{name: ci, policies: ['p, proj:shop:ci, applications, synch, shop/*, allow']}]", "no such action"),
        ("roles: [{name: ci, groups: ['role:viewer']}]", "'role:viewer' is no group"),
    ],
)
def test_what_cannot_be_meant_or_is_not_enforced_is_named(tmp_path, spec, why):
    with pytest.raises(ConfigError, match=r"projects\.yaml:\d+: ") as told:
        read(tmp_path, spec)
    assert why in str(told.value)


def test_a_project_that_is_there_twice_or_has_no_name_is_none(tmp_path):
    path = tmp_path / "projects.yaml"
    one = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: shop}\n"
    path.write_text(f"{one}---\n{one}")
    with pytest.raises(ConfigError, match=r"another project is called shop too"):
        read_projects(path)
    path.write_text(one.replace("{name: shop}", "{}"))
    with pytest.raises(ConfigError, match=r"metadata\.name: expected"):
        read_projects(path)
    path.write_text(one.replace("AppProject", "Application"))
    with pytest.raises(ConfigError, match=r"expected argoproj.io/v1alpha1 AppProject"):
        read_projects(path)


def test_a_project_that_has_the_limits_of_a_global_one_is_refused(tmp_path):
    path = tmp_path / "projects.yaml"
    labels = "metadata: {name: shop, labels: {argocd.argoproj.io/project-inherit: global}}"
    path.write_text(f"apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n{labels}\nspec: {{}}\n")
    with pytest.raises(ConfigError, match=r"projects.yaml:3: metadata.labels: .*no project has the limits of another"):
        read_projects(path)


def test_a_file_without_a_project_is_no_file_that_limits_nothing(tmp_path):
    path = tmp_path / "projects.yaml"
    path.write_text("# nothing yet\n---\n")
    with pytest.raises(ConfigError, match="holds no AppProject"):
        read_projects(path)


def test_what_limits_nothing_is_said_and_no_error(tmp_path):
    tokens = "roles: [{name: ci, jwtTokens: [{iat: 1535390316}]}], orphanedResources: {warn: false}"
    assert read(tmp_path, tokens).unheeded == ("orphanedResources", "roles.jwtTokens")


# ── the controller's ─────────────────────────────────────────────────────────────────────────────────────────────


def projects(tmp_path, spec, *entries):
    path = tmp_path / "projects.yaml"
    read(tmp_path, spec)
    known = {entry.app.identity: entry for entry in entries}
    servers = {"east": "https://east.example.com"}
    return Projects(
        FollowedFile(path, read_projects, lambda *_: None),
        home="gitops",
        server_of=lambda name: servers.get(name, ""),
        entry=known.get,
    )


def test_without_projects_there_is_the_default_one_and_it_limits_nothing():
    assert Projects().refused(app(project="default", namespace="anywhere")) == ""
    assert Projects().limits(app(project="default")) is None
    assert "this controller has no projects" in Projects().refused(app())


def test_with_projects_the_default_one_is_for_the_controllers_own_namespace(tmp_path):
    found = projects(tmp_path, PLAIN)
    assert found.refused(app(project="default")) == ""
    assert "may not live in namespace team" in found.refused(app(project="default", namespace="team"))
    assert found.refused(app(project="shopp")) == "there is no project shopp (did you mean shop?)"


def test_a_registered_cluster_has_the_address_of_its_secret_and_what_a_secret_leads_to_has_none(tmp_path):
    found = projects(tmp_path, "sourceRepos: ['*'], destinations: [{server: 'https://east.*', namespace: '*'}]")
    assert found.refused(app(cluster="east")) == ""
    assert found.refused(app(cluster="west"))
    assert found.refused(app())
    assert found.refused(app(kubeConfig=KubeConfig("east")))


def test_what_is_being_deleted_is_not_kept_by_its_project(tmp_path):
    leaving = app(url="https://elsewhere.example.com/x")
    assert projects(tmp_path, "sourceRepos: []", Registration(leaving)).refused(leaving)
    assert projects(tmp_path, "sourceRepos: []", Registration(leaving, leaving=True)).refused(leaving) == ""


# ── who may do what ──────────────────────────────────────────────────────────────────────────────────────────────

ROLES = (
    "roles: [{name: ci, groups: [shop-ci], policies: ["
    "'p, proj:shop:ci, applications, get, shop/*, allow', 'p, proj:shop:ci, applications, sync, shop/web, allow']}]"
)


def decisions(tmp_path, spec=ROLES, lines="", known=None, number=lambda: 0):
    path = tmp_path / "policy.csv"
    path.write_text(lines)
    project = read(tmp_path, spec)
    known = {} if known is None else known
    return Decisions(PolicyFile(path), projects=InProjects(number, lambda: [project], known.get))


def test_a_projects_role_is_good_for_its_applications_and_no_others(tmp_path):
    known = {
        "gitops/web": ("shop/gitops/web", "shop/web"),
        "team/web": ("shop/team/web",),
        "gitops/bank": ("bank/gitops/bank", "bank/bank"),
    }
    found = decisions(tmp_path, known=known)
    ci = Person("robot", Way.OIDC, groups=("shop-ci",))
    assert [name for name in known if found.sight(ci)(name)] == ["gitops/web", "team/web"]
    assert found.may(ci, "sync", "gitops/web")
    assert not found.may(ci, "sync", "team/web"), "PROJECT/NAME is of an Application that lives where we do"
    assert not found.may(ci, "delete", "gitops/web")
    assert not found.may(Person("robot", Way.OIDC, groups=("others",)), "get", "gitops/web")


def test_an_application_that_changes_its_project_is_seen_by_others_at_once(tmp_path):
    known = {"gitops/web": ("shop/gitops/web", "shop/web")}
    sight = decisions(tmp_path, known=known).sight(Person("robot", Way.OIDC, groups=("shop-ci",)))
    assert sight("gitops/web")
    known["gitops/web"] = ("bank/gitops/web", "bank/web")
    assert not sight("gitops/web")


def test_a_line_may_name_the_project_of_what_it_is_about(tmp_path):
    lines = "p, ada, applications, get, */*/*, allow\np, ada, applications, get, bank/*/*, deny\n"
    known = {"gitops/web": ("shop/gitops/web",), "gitops/vault": ("bank/gitops/vault",)}
    sight = decisions(tmp_path, lines=lines, known=known).sight(Person("ada", Way.OIDC))
    assert (sight("gitops/web"), sight("gitops/vault")) == (True, False)
    assert not sight("gitops/gone"), "nobody knows the project of what is gone: what denies counts"


def test_nobody_is_called_like_a_projects_role():
    policy, wrong = read_policy("g, ada, proj:shop:ci\n")
    assert wrong == []
    assert policy.subjects(["ada"]) == {"ada", "proj:shop:ci"}
    assert policy.decide(frozenset(["ada"]), "get", "gitops/web") is Verdict.NOT_ALLOWED


def test_the_project_of_the_documentation_is_one(tmp_path):
    text = (Path(__file__).parents[2] / "docs/running.md").read_text()
    block = next(one for one in re.findall(r"```yaml\n(.*?)```", text, re.S) if "kind: AppProject" in one)
    path = tmp_path / "projects.yaml"
    path.write_text(block)
    project = read_projects(path, why_no_roles)["shop"]
    assert permits_destination(project, HOME, "shop-web")
    assert not permits_destination(project, HOME, "shop-vault")
