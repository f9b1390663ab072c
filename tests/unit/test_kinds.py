"""Which kinds a cluster serves: what it does not say now is not taken for what it does not have."""

from gitops.model.kinds import KindInfo, Kinds

KINDS = Kinds([KindInfo("apps", "v1", "Deployment", "deployments", True)], {"metrics.dev": "its server is away"})


def test_a_kind_is_gone_only_where_its_group_answers_and_does_not_serve_it():
    assert KINDS.is_gone("apps", "Old")
    assert KINDS.is_gone("other.dev", "A")
    assert not KINDS.is_gone("apps", "Deployment")
    assert not KINDS.is_gone("metrics.dev", "Node")
