"""Who of several that name one Application has it, and who is told when that changes."""

import pytest

from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.model.application import Application, SourceSpec


def entry(path, name="shop"):
    return Registration(
        Application(name, "apps", source=SourceSpec(repoURL="https://git.example.com/x.git", path=path))
    )


@pytest.fixture
def heard():
    """What the registry told, in order: the path of an Application, or who is gone."""
    return []


@pytest.fixture
def registry(heard):
    return ApplicationRegistry(
        lambda found: heard.append(found.app.source.path), lambda identity: heard.append(f"{identity} is gone")
    )


def test_what_was_said_before_is_not_told_again(registry, heard):
    assert [registry.put("a", entry(path)) for path in ("one", "one", "two", "two")] == ["a"] * 4
    assert heard == ["one", "two"]


def test_the_first_that_names_an_application_keeps_it_whatever_others_say(registry, heard):
    registry.put("a", entry("one"))
    assert [registry.put("b", entry(path)) for path in ("two", "three")] == ["a", "a"]
    assert (heard, registry.source_of("apps/shop")) == (["one"], "a")


def test_when_the_first_lets_go_the_next_has_it_as_it_says_now(registry, heard):
    registry.put("a", entry("one"))
    registry.put("b", entry("two"))
    registry.put("b", entry("three"))
    registry.drop("a", "apps/shop")
    assert (heard, registry.source_of("apps/shop")) == (["one", "three"], "b")
    registry.drop("b", "apps/shop")
    assert heard[2:] == ["apps/shop is gone"]


def test_one_that_never_had_it_lets_go_and_nothing_changes(registry, heard):
    registry.put("a", entry("one"))
    registry.put("b", entry("two"))
    registry.drop("b", "apps/shop")
    registry.drop("b", "apps/shop")
    assert (heard, registry.given_by("b")) == (["one"], frozenset())


def test_what_a_source_does_not_give_any_more_is_gone_and_that_of_others_stays(registry, heard):
    registry.put("a", entry("one"))
    registry.put("a", entry("two", "cart"))
    registry.put("b", entry("three", "mail"))
    registry.keep_only("a", {"apps/cart"})
    assert heard[3:] == ["apps/shop is gone"]
    assert registry.given_by("a") == {"apps/cart"}


def test_an_application_that_cannot_be_taken_in_keeps_no_other_from_it(heard):
    def take(found):
        if found.app.name == "shop":
            raise RuntimeError("nobody thought of it")
        heard.append(found.app.name)

    registry = ApplicationRegistry(take, heard.append)
    registry.put("a", entry("one"))
    registry.put("a", entry("one", "cart"))
    assert heard == ["cart"]
