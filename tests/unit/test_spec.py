"""An Application's spec as it is kept in the cluster."""

from dataclasses import replace

import pytest

from gitops.model.application import (
    Application,
    Backoff,
    HealthRule,
    IgnoreRule,
    PolicyOptions,
    PolicyScope,
    PruneLimit,
    Retry,
    SourceSpec,
    SyncOptions,
    TemplateOptions,
    Window,
)
from gitops.model.errors import ConfigError
from gitops.model.source_access import Credentials
from gitops.model.spec import spec_text, with_spec
from gitops.model.transforms import CommonMetadata, PostBuild, SubstituteFrom

APP = Application(
    "shop",
    sync=SyncOptions(prune=True, timeout=90.0, retry=Retry(3, Backoff(1.0)), pruneLimit=PruneLimit(5)),
    ignoreDifferences=(IgnoreRule(kind="Deployment", jsonPointers=("/spec/replicas",), managers=("hpa",)),),
    dependsOn=("database",),
    readyExpr={"database": "true"},
    health=(HealthRule(kind="Widget", healthy="true"),),
    policies=PolicyOptions(enforce=("a",), scopes=(PolicyScope(path="x/*", off=("a",)),)),
    windows=(Window("deny", "* * * * *", 60.0),),
)


def test_a_spec_comes_back_as_it_was():
    assert with_spec(Application("shop"), spec_text(APP)) == APP


def test_how_a_source_is_rendered_comes_back_without_where_it_is():
    source = SourceSpec("https://git.example.com/shop", renderer="plain", credentials=Credentials("git"))
    found = with_spec(Application("shop"), spec_text(Application("shop", source=source)))
    assert found.source == SourceSpec(renderer="plain", credentials=Credentials("git"))


def test_defaults_are_not_written():
    assert spec_text(Application("shop")) == "{}"
    assert with_spec(Application("shop"), "") == Application("shop")


def test_what_may_be_secret_is_not_written():
    source = SourceSpec("https://git.example.com/shop", template=TemplateOptions(values={"password": "hunter2"}))
    assert "hunter2" not in spec_text(Application("shop", source=source))


def test_variables_come_back_without_values_that_may_be_secret():
    build = PostBuild({"password": "hunter2"}, (SubstituteFrom("Secret", "passwords"),), strict=False)
    source = SourceSpec(postBuild=build, commonMetadata=CommonMetadata({"team": "shop"}))
    text = spec_text(Application("shop", source=source))
    assert "hunter2" not in text
    found = with_spec(Application("shop"), text).source
    assert found == replace(source, postBuild=replace(build, substitute={}))


def test_fields_of_a_newer_version_are_left():
    text = '{"sync": {"prune": true, "magic": 1}, "moons": 2}'
    assert with_spec(Application("shop"), text).sync == SyncOptions(prune=True)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"sync": 3}',
        '{"sync": {"timeout": "long"}}',
        '{"sync": {"prune": 1}}',
        '{"sync": {"drift": "burn"}}',
        '{"sync": {"drift": ["ignore"]}}',
        '{"sync": {"serviceAccount": "other:admin"}}',
        '{"source": {"credentials": {"secretRef": "../../gitops/secrets/deploy-key"}}}',
        '{"dependsOn": "database"}',
        '{"health": [{"kind": null}]}',
        '{"windows": [{}]}',
        '{"source": {"commonMetadata": {"labels": {"a": 1}}}}',
        '{"source": {"commonMetadata": {"labels": ["a"]}}}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_told(text):
    with pytest.raises(ConfigError, match="spec in its inventory cannot be read"):
        with_spec(Application("shop"), text)
