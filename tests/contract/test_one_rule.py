"""What the CRD's schema takes is what the reader takes, for every field: values at random, each judged by both."""

import copy
import dataclasses
import itertools
import json
import typing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitops.config import application_of
from gitops.crd import definition
from gitops.fields_reader import MOST_NUMBER
from gitops.manifests.names import NamePattern
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import ConfigError
from gitops.model.patterns import PATH, POINTER, REPOSITORY, SCHEDULE, TIME_ZONE, VERSION
from gitops.sandbox.custom import _prune
from gitops.sandbox.validation.custom import validate_custom
from tests.soak import examples

SCHEMA = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SMALLEST = {"source": {"repoURL": "https://git.example.com/shop.git"}, "destination": {"namespace": "shop"}}
WINDOW = {"kind": "allow", "schedule": "0 9 * * *", "duration": "8h"}

# What a schema cannot say, and why; only the reader refuses it. (field, words of its refusal)
NOT_SAID = {
    "a range that runs backwards, or a day that no month has: patterns do not count": ("schedule", "schedule"),
    "whether a zone is known: that is up to the machine": ("timeZone", "is not known"),
    "whether an expression is CEL, and cheap enough: CEL has no way to compile CEL": ("", "cannot be used as a rule"),
    "an address in brackets that is no IPv6: eight groups of three forms make no readable pattern": (
        "repoURL",
        "not an address",
    ),
}
# What the API server takes out or fills in before it looks: a field without a value, one that it does not know.


def leaves(kind, path=()):
    """(path, type) of every field; a list stands for its items."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        if kind is Application and field.name in (
            "name",
            "namespace",
            "sources",
        ):  # `sources` are of one kind with `source`
            continue
        yield from of_hint(hints[field.name], (*path, field.name))


def of_hint(hint, path):
    if typing.get_origin(hint) is tuple:
        yield from of_hint(typing.get_args(hint)[0], (*path, 0))
    elif dataclasses.is_dataclass(hint):
        yield path, dict
        yield from leaves(hint, path)
    else:
        yield path, hint


LEAVES = sorted(leaves(Application), key=str)
INTERESTING = {
    SCHEDULE: [
        "0 0 31 2 *",
        "*/5 * * * *",
        "@DAILY",
        "0 9-5 * * *",
        "0 0 L * ?",
        "1,2-3/4 0 1 JAN mon#2",
        "* * * * 8",
        "",
        " 0 0 * * *",
        "0 0 * * *\n",
        "*/0 * * * *",
        "0 0 ? * ?",
        "? * * * *",
        "00 24 * * *",
        "٣ * * * *",
        "0 0 1 1 5L",
    ],
    TIME_ZONE: ["UTC", "Europe/Amsterdam", "", "../etc/passwd", "/etc/localtime", "Nowhere/Land", "a b", "Etc/GMT+1"],
    POINTER: ["/", "", "/a~1b", "a/b", "/a\nb", "//"],
    PATH: [
        ".a",
        ".a.b[]?",
        '.["a(b"] | select(.["x(y"] == "z)")',
        "| select(.a == 01)",
        '.["\\q"]',
        '.["\\ud800"]',
        ".",
        ".a | .b",
        ".a |",
        "| select(.a==1)",
        ".a[01]",
        ".a[0]",
        "",
        " ",
        ".a\xa0.b",
        ".a | keys",
        ".a | select(.b == 1.50)",
    ],
    VERSION: ["1.32", "v1.32.4", "1", "", "1.32-gke.1", "1.32 ", "١.٢"],
    REPOSITORY: [
        "https://h/p",
        "http://u:p@h:8080/p",
        "git@host:path",
        "/srv/git",
        "file:///x",
        "",
        "-x",
        "ext::sh -c x",
        "https://[::1]/x",
        "https://[1]/x",
        "https://h:99999/x",
        "https://h:/x",
        "https://-h/x",
        "ssh://-o@h/x",
        "ftp://h/x",
        "https://h/\xa0",
        "https://h/a b",
        "https://h℀/x",
        "host:",
        "a:b",
        "https://",
        "//x",
        "https://h/x\n",
        "git@h::x",
    ],
}
DURATIONS = [
    "1h",
    "0s",
    "0h0m",
    "1.5h",
    "90s",
    "8784h",
    "8784h1ms",
    "99999999999999h",
    "1 h",
    "",
    "h",
    "1h-1m",
    "٣h",
    "1d",
]
NUMBERS = [0, -1, 1, 5.0, 1.5, MOST_NUMBER, MOST_NUMBER + 1, 2**31, 2**63, 2**64 - 1, -0.0, 1e308, "1", True]


def of_type(hint, path):
    """Values for a field: good ones, nearly good ones, and any."""
    any_text = st.text(max_size=12) | st.text(alphabet="/.:@[]*0123456789abs -~\\\"'|?#%\n\u0660\u00a0é", max_size=14)
    if path[-1] in ("timeout", "interval", "duration", "maxDuration"):
        return st.sampled_from(DURATIONS) | st.from_regex(r"\A([0-9]{1,5}(\.[0-9]{1,2})?(ms|s|m|h)){1,3}\Z") | any_text
    if typing.get_origin(hint) is typing.Annotated:
        pattern: NamePattern = typing.get_args(hint)[1]
        good = st.from_regex(rf"\A(?:{pattern.pattern})\Z").filter(lambda text: len(text) < 200)
        near = st.tuples(good, any_text, st.integers(0, 20)).map(lambda three: three[0][: three[2]] + three[1])
        return st.sampled_from(INTERESTING.get(pattern, [""])) | good | near | any_text | st.just("x" * 1025)
    if hint is str:
        return any_text | st.sampled_from(["x" * 1024, "x" * 1025, "é" * 1024])
    if hint in (int, float):
        return (
            st.sampled_from(NUMBERS)
            | st.integers(-(2**63), 2**64 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
        )
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from([*typing.get_args(hint), "other", "", "Report"])
    if hint is bool:
        return st.booleans()
    return st.dictionaries(st.sampled_from(["a", "b"]), st.integers() | st.text(max_size=3), max_size=2)


wrong_type = st.sampled_from([5, "text", True, [], [1], {}, {"a": 1}, 1.5])


def spec_with(path, value):
    """The smallest spec with one value in one place."""
    spec = copy.deepcopy(SMALLEST)
    if path[0] == "windows":
        spec["windows"] = [copy.deepcopy(WINDOW)]
    at = spec
    for step, following in itertools.pairwise(path):
        if isinstance(step, int):
            while len(at) <= step:
                at.append([] if isinstance(following, int) else {})
            at = at[step]
        else:
            at = at.setdefault(step, [] if isinstance(following, int) else {})
    if isinstance(path[-1], int):
        at.append(value)
    else:
        at[path[-1]] = value
    return spec


def cluster_refuses(body):
    """Why the API server does not store it, or ""."""
    unknown = []
    _prune(json.loads(json.dumps(body["spec"])), SCHEMA["properties"]["spec"], "spec", unknown)
    errors = [f"unknown field {name}" for name in unknown] or [
        str(error) for error in validate_custom(SCHEMA, body, None)
    ]
    return "; ".join(errors)


def reader_refuses(body):
    try:
        application_of(body)
    except ConfigError as exc:
        return str(exc)
    return ""


def check(path, value):
    body = {
        "apiVersion": "gitops.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "gitops"},
        "spec": spec_with(path, value),
    }
    cluster, reader = cluster_refuses(body), reader_refuses(body)
    if (
        reader
        and not cluster
        and any(
            words in reader and field in ("", path[-1], path[-2] if len(path) > 1 else "")
            for field, words in NOT_SAID.values()
        )
    ):
        return
    assert bool(cluster) == bool(reader), f"{path} {value!r}: the cluster says {cluster!r}, the reader {reader!r}"


def plain(path):
    return ".".join(str(step) for step in path)


@pytest.mark.parametrize(("path", "hint"), LEAVES, ids=[plain(path) for path, _ in LEAVES])
def test_no_value_is_taken_by_one_and_refused_by_the_other(path, hint):
    values = of_type(hint, path)
    known = INTERESTING.get(typing.get_args(hint)[1], []) if typing.get_origin(hint) is typing.Annotated else []
    for value in [
        *known,
        *(DURATIONS if path[-1] in ("timeout", "duration") else []),
        *(NUMBERS if hint in (int, float) else []),
    ]:
        check(path, value)

    @settings(max_examples=12, deadline=None, database=None, derandomize=True)
    @given(values | wrong_type)
    def tried(value):
        check(path, value)

    tried()


@pytest.mark.soak
@pytest.mark.parametrize(("path", "hint"), LEAVES, ids=[plain(path) for path, _ in LEAVES])
def test_no_value_of_very_many_is_taken_by_one_and_refused_by_the_other(path, hint):
    @settings(max_examples=examples(3000), deadline=None)
    @given(of_type(hint, path) | wrong_type)
    def tried(value):
        check(path, value)

    tried()


@given(st.text(max_size=30))
@example("x" * 64)
@example("a-")
def test_a_name_is_a_name_to_both(name):
    body = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": {"name": name}, "spec": SMALLEST}
    pattern = SCHEMA["properties"]["metadata"]["properties"]["name"]
    import re2

    fits = (
        len(name) <= pattern["maxLength"] and bool(re2.fullmatch(pattern["pattern"], name)) if name.isascii() else False
    )
    assert fits == (reader_refuses(body) == "")


def test_every_field_is_tried():
    assert ("source", "repoURL") in dict(LEAVES)
    assert ("windows", 0, "schedule") in dict(LEAVES)
    assert len(LEAVES) > 50
    assert {field.name for field in dataclasses.fields(SourceSpec)} <= {
        path[1] for path, _ in LEAVES if path[0] == "source" and len(path) > 1
    }
