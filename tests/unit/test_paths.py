"""Paths as users write them under ignoreDifferences."""

import pytest

from gitops.engine.paths import Each, Field, Item, Where, parse_path, parse_pointer, value_at
from gitops.manifests.errors import ManifestError

NAME_IS_X = Where((Field("name"),), "x", True)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (".spec.replicas", (Field("spec"), Field("replicas"))),
        (".a.b[0]", (Field("a"), Field("b"), Item(0))),
        ('.metadata.annotations["example.com/k"]', (Field("metadata"), Field("annotations"), Field("example.com/k"))),
        ('.metadata."odd name"', (Field("metadata"), Field("odd name"))),
        (".webhooks[]?.clientConfig.caBundle", (Field("webhooks"), Each(), Field("clientConfig"), Field("caBundle"))),
        ('.c[] | select(.name == "x") | .image', (Field("c"), Each(), NAME_IS_X, Field("image"))),
        ('.c[]|select(.name=="x")', (Field("c"), Each(), NAME_IS_X)),
        (".c[] | select(.p != 80)", (Field("c"), Each(), Where((Field("p"),), 80, False))),
        (".c[] | .image", (Field("c"), Each(), Field("image"))),
    ],
)
def test_what_is_understood(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spec",
        ".",
        ".a |",
        ".a | keys",
        "del(.a)",
        ".a[",
        ".a[-1]",
        ".a[] | select(.b)",
        ".a[] | select(.b[] == 1)",
        f".a[] | select({' ' * 1000}",
    ],
)
def test_what_is_not_understood_is_told(text):
    with pytest.raises(ManifestError):
        parse_path(text)


def test_a_pointer_may_hold_escaped_slashes():
    assert parse_pointer("/metadata/annotations/example.com~1k") == (
        Field("metadata"),
        Field("annotations"),
        Field("example.com/k"),
    )


@pytest.mark.parametrize("text", ["", "spec/replicas"])
def test_a_pointer_begins_with_a_slash(text):
    with pytest.raises(ManifestError, match="expected a JSON pointer"):
        parse_pointer(text)


def test_the_value_at_a_path():
    assert value_at({"a": [{"b": 1}]}, parse_path(".a[0].b")) == 1
    assert value_at({"a": 3}, parse_path(".a[0].b")) is None


def test_a_path_that_leads_beside_what_is_there_has_no_value():
    body = {"items": [{"a": 1}], "text": "x"}
    assert value_at(body, (Field("items"), Item(0), Field("a"))) == 1
    beside = [
        (Field("items"), Item(1)),
        (Field("text"), Item(0)),
        (Field("text"), Field("a")),
        (Field("items"), Each()),
    ]
    assert [value_at(body, path) for path in beside] == [None] * 4
