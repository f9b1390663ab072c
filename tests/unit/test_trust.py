"""What an Application may use that is its operator's: nothing, unless the operator wrote it."""

import pytest

from gitops.controller.registry import Registration
from gitops.controller.trust import Trust
from gitops.model.application import Application, Destination


class Secrets:
    """A cluster where one Secret registers the cluster "east", and any Secret holds credentials."""

    def knows(self, name):
        return name == "east"

    def credentials(self, namespace, reference):
        return f"{namespace}/{reference}"


def app(name="shop", cluster=""):
    return Application(name, "team", destination=Destination(namespace="shop", cluster=cluster))


def trust(*entries, contexts=False):
    known = {entry.app.identity: entry for entry in entries}
    return Trust(known.get, Secrets(), {"git": "of the operator"}.get, contexts=contexts)


def test_only_what_the_operator_wrote_has_credentials_of_the_environment():
    assert trust(Registration(app(), trusted=True)).secret(app(), "git") == "of the operator"
    assert trust(Registration(app())).secret(app(), "git") == "team/git"
    assert trust().secret(app(), "git") == "team/git", "an Application that nobody gave is nobody's"


def test_what_the_environment_does_not_hold_is_a_secret_of_the_namespace_it_is_in():
    assert trust(Registration(app(), trusted=True)).secret(app(), "other") == "team/other"
    assert trust(Registration(app(), secrets_in="vault")).secret(app(), "other") == "vault/other"


@pytest.mark.parametrize(
    ("cluster", "trusted", "contexts", "is_refused"),
    [
        ("", False, False, False),
        ("east", False, False, False),
        ("west", False, False, True),
        ("west", False, True, False),
        ("west", True, False, False),
    ],
)
def test_a_context_of_the_operators_kubeconfig_is_for_its_own_applications(cluster, trusted, contexts, is_refused):
    one = app(cluster=cluster)
    assert bool(trust(Registration(one, trusted=trusted), contexts=contexts).cluster_refused(one)) is is_refused


def test_an_application_that_another_brought_goes_where_that_one_may_go_and_nowhere_else():
    above, same, other = app("above", "west"), app("child", "west"), app("child", "north")
    parent = Registration(above, trusted=True)
    assert not trust(parent, Registration(same, parent=above.identity)).cluster_refused(same)
    assert trust(parent, Registration(other, parent=above.identity)).cluster_refused(other)
    assert trust(Registration(above), Registration(same, parent=above.identity)).cluster_refused(same)
