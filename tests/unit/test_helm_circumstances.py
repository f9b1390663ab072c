"""Charts that draw by chance, ask the time or the cluster: the same output for the same seed, and what they ask for."""

import base64
import json
from typing import Any

import pytest

from gitops.model.errors import RenderError
from gitops.model.helm_options import HelmOptions, ValuesFrom
from gitops.model.revision import Tree
from renderers.helm.circumstances import Stream, circumstances
from renderers.helm.render import render_output
from renderers.helm.seeded_keys import dsa_key, ecdsa_key, ed25519_key, rsa_key
from renderers.helm.template import Output
from renderers.result import Context, Live, Look, Needs

CHART = {"c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "c/values.yaml": "a: own\n"}
KNOWN = Live(seed=b"s" * 32, at="2026-03-01T12:00:00+00:00")
SECRET = Look("v1", "Secret", "team", "keys")


def as_object(template: str) -> str:
    """A manifest that holds the lines which a template gives."""
    return '{{ define "lines" }}' + template + '{{ end }}given: |-\n{{ include "lines" . | indent 2 }}'


def rendered(
    template: str, live: Live | None = KNOWN, options: HelmOptions | None = None, **more: str
) -> Output | Needs:
    tree = Tree.of_files({**CHART, "c/templates/x.yaml": as_object(template), **more})
    return render_output(tree, "c", options or HelmOptions(), Context(home="team", live=live))


def text(template: str, live: Live | None = KNOWN, **more: Any) -> str:
    answer = rendered(template, live, **more)
    assert isinstance(answer, Output), answer
    return "\n".join(line.removeprefix("  ") for line in answer.text.partition("given: |-\n")[2].split("\n")).strip()


DRAWS = [
    "randAlphaNum 20",
    "randAlpha 20",
    "randNumeric 20",
    "randAscii 20 | b64enc",
    "randBytes 20",
    "randInt 0 1000000000",
    "shuffle `abcdefghijklmnopqrstuvwxyz`",
    "uuidv4",
    "bcrypt `x`",
    "htpasswd `u` `p`",
    "encryptAES `k` `text`",
    "genPrivateKey `ecdsa` | b64enc",
    "genPrivateKey `ed25519` | b64enc",
    "genSelfSignedCertWithKey `x` (list `10.0.0.1`) (list `a.b`) 10 (genPrivateKey `ecdsa`) | toJson | b64enc",
    "genSignedCertWithKey `x` nil nil 10 (genCAWithKey `ca` 10 (genPrivateKey `ecdsa`)) (genPrivateKey `ed25519`) "
    "| toJson | b64enc",
    "now | date `2006-01-02T15:04:05Z07:00`",
    "date `2006-01-02` `` | quote",
]


@pytest.mark.parametrize("call", DRAWS)
def test_what_is_drawn_is_the_same_for_the_same_seed_and_time(call: str) -> None:
    template = "a: {{ " + call + " }}\nb: {{ " + call + " }}"
    first = text(template)
    assert text(template) == first
    others = KNOWN._replace(seed=b"t" * 32, at="2026-04-01T12:00:00+00:00")
    assert text(template, others) != first
    assert len(first.removeprefix("a: ").partition("\n")[0]) > 3


@pytest.mark.parametrize("call", [call for call in DRAWS if not call.startswith(("now", "date"))])
def test_two_calls_draw_apart(call: str) -> None:
    one, other = text("{{ " + call + " }}\n{{ " + call + " }}").split("\n")
    assert one != other


def test_random_text_holds_every_letter_that_can_be_printed_and_no_other() -> None:
    drawn = base64.b64decode(text("{{ randAscii 9000 | b64enc }}")).decode()
    assert set(drawn) == set(map(chr, range(ord(" "), ord("~") + 1)))


def test_what_is_drawn_in_one_template_does_not_move_with_calls_in_another() -> None:
    call = "{{ randAlphaNum 8 }}"
    both = rendered(call, KNOWN, **{"c/templates/a.yaml": "other: {{ randAlphaNum 8 }}"})
    assert isinstance(both, Output)
    assert text(call) in both.text


def test_what_was_drawn_stays_when_the_values_change() -> None:
    template = "{{ randAlphaNum 8 }}"
    assert text(template, options=HelmOptions(values={"b": 1})) == text(template)


def test_what_is_not_known_is_asked_for_all_at_once() -> None:
    template = "{{ lookup `v1` `Secret` `team` `keys` }}{{ randAlpha 3 }}{{ now }}{{ lookup `v1` `Pod` `` `` }}"
    assert rendered(template, Live()) == Needs((), (SECRET, Look("v1", "Pod", "", "")), seed=True, time=True)


def test_a_template_that_fails_for_want_of_what_is_not_known_is_tried_again() -> None:
    template = "{{ (required `no keys` (lookup `v1` `Secret` `team` `keys`).data).a }}"
    assert rendered(template, Live()) == Needs((), (SECRET,))
    assert text(template, Live({SECRET: {"data": {"a": "1"}}})) == "1"
    with pytest.raises(RenderError, match="no keys"):
        rendered(template, Live({SECRET: None}))


def test_what_was_looked_up_is_not_changed_by_a_template() -> None:
    live = Live({SECRET: {"data": {"a": "1"}}})
    template = "{{ $x := lookup `v1` `Secret` `team` `keys` }}{{ $_ := set $x.data `a` `2` }}{{ $x.data.a }}"
    assert (text(template, live), live.objects[SECRET]["data"]) == ("2", {"a": "1"})


def test_without_a_cluster_nothing_is_found_and_chance_is_named() -> None:
    answer = rendered("{{ lookup `v1` `Secret` `team` `keys` }}{{ randAlpha 3 }}{{ uuidv4 }}{{ now }}", None)
    assert isinstance(answer, Output)
    assert answer.chance == ("randAlpha", "uuidv4", "now")


# ── values from the cluster ──────────────────────────────────────────────────────────────────────────────────────────

FROM = ValuesFrom("Secret", "keys")


def of_data(**data: str) -> Live:
    return Live({SECRET: {"data": data}})


def value(live: Live, *wanted: ValuesFrom, **options: Any) -> str:
    return text("{{ .Values.a }}", live, options=HelmOptions(valuesFrom=wanted, **options))


def test_values_from_the_cluster_are_stronger_than_files_and_weaker_than_values() -> None:
    live = of_data(**{"values.yaml": "YTogc2VjcmV0Cg=="})
    assert value(live, FROM) == "secret"
    assert value(live, FROM, values={"a": "said"}) == "said"
    file = {"c/v.yaml": "a: file\n"}
    assert (
        text("{{ .Values.a }}", live, options=HelmOptions(valuesFrom=(FROM,), valueFiles=("v.yaml",)), **file)
        == "secret"
    )


def test_one_value_is_set_at_its_path() -> None:
    live = of_data(password="aHVudGVyLDI=")
    wanted = ValuesFrom("Secret", "keys", "password", "db.password")
    assert text("{{ .Values.db.password }}", live, options=HelmOptions(valuesFrom=(wanted,))) == "hunter,2"


@pytest.mark.parametrize(
    ("path", "own", "found"),
    [
        ("db.password", {"db": {"password": "own", "user": "u"}}, {"db": {"password": "set", "user": "u"}}),
        ("db.password", {"db": {"user": "u"}}, {"db": {"password": "set", "user": "u"}}),
        ("db.list[1]", {"db": {"list": ["a", "b", "c"]}}, {"db": {"list": ["a", "set", "c"]}}),
        (
            "db.list[0].name",
            {"db": {"list": [{"name": "own", "x": "y"}]}},
            {"db": {"list": [{"name": "set", "x": "y"}]}},
        ),
        ("list[1]", {"list": ["a", "b"]}, {"list": ["a", "set"]}),
        ("list[2]", {"list": ["a", "b"]}, {"list": ["a", "b"]}),  # Flux makes a longer list beside the release's own
        ("password", {"password": "own"}, {"password": "own"}),  # and takes a name at the top from the release
        ("password", {}, {"password": "set"}),
    ],
)
def test_a_value_that_is_set_at_a_path_is_stronger_than_the_own_values(
    path: str, own: dict[str, Any], found: dict[str, Any]
) -> None:
    options = HelmOptions(valuesFrom=(ValuesFrom("Secret", "keys", "key", path, "set"),), values=own)
    kept = json.dumps(own)
    live = of_data(key=base64.b64encode(b"set").decode())
    assert json.loads(text("{{ omit .Values `a` | toJson }}", live, options=options)) == found
    assert json.dumps(own) == kept


def test_a_value_that_is_set_at_a_path_is_stronger_than_values_that_come_after_it() -> None:
    more = base64.b64encode(b"db: {password: more, port: 1}\nflat: f\n").decode()
    live = of_data(**{"key": base64.b64encode(b"set").decode(), "values.yaml": more})
    one, other = ValuesFrom("Secret", "keys", "key", "db.password", "set"), FROM
    template = "{{ .Values.db.password }} {{ .Values.db.port }} {{ .Values.flat }}"
    own = {"db": {"password": "own"}}
    assert text(template, live, options=HelmOptions(valuesFrom=(one, other), values=own)) == "set 1 f"
    # What comes before makes a map of its own there, into which it is put: so the release's own value stays.
    assert text(template, live, options=HelmOptions(valuesFrom=(other, one), values=own)) == "own 1 f"
    assert text(template, live, options=HelmOptions(valuesFrom=(other, one))) == "set 1 f"


def test_what_is_optional_may_be_missing() -> None:
    assert value(Live({SECRET: None}), ValuesFrom("Secret", "keys", optional=True)) == "own"
    assert value(of_data(), ValuesFrom("Secret", "keys", optional=True)) == "own"


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (Live({SECRET: None}), "Secret team/keys: is not there"),
        (of_data(), r"Secret team/keys: has no key values\.yaml"),
        (of_data(**{"values.yaml": "aHVudGVyMg=="}), "is no YAML map of values"),
        (of_data(**{"values.yaml": "aHVudGVyMjogW3s="}), "is no YAML map of values"),
        (None, "this does not read; `gitops diff` does"),
    ],
)
def test_what_cannot_be_had_is_named_and_its_content_is_not(live: Live | None, why: str) -> None:
    with pytest.raises(RenderError, match=why) as caught:
        rendered("a: 1", live, HelmOptions(valuesFrom=(FROM,)))
    assert "hunter" not in str(caught.value)


def test_values_that_are_not_known_yet_are_asked_for() -> None:
    assert rendered("a: 1", Live(), HelmOptions(valuesFrom=(FROM,))) == Needs((), (SECRET,))


# ── streams and keys ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_gives_the_same_bytes_however_they_are_taken() -> None:
    one, other = Stream(b"x"), Stream(b"x")
    assert one.take(5) + one.take(60) + one.take(0) == other.take(65)


def test_each_number_is_as_likely_as_the_others() -> None:
    stream = Stream(b"x")
    counts = [0] * 5
    for _ in range(5000):
        counts[stream.below(5)] += 1
    assert (min(counts) > 850, stream.below(1)) == (True, 0)


def test_two_letters_are_shuffled_either_way() -> None:
    seeds = [Live(seed=bytes([number]) * 32, at="2026-03-01T12:00:00+00:00") for number in range(20)]
    assert {text("{{ shuffle `ab` }}", live) for live in seeds} == {"ab", "ba"}


def test_seeded_keys_sign_as_any_others_do() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    one = rsa_key(2048, Stream(b"x"))
    assert one.private_numbers() == rsa_key(2048, Stream(b"x")).private_numbers()
    assert one.key_size == 2048
    one.public_key().verify(
        one.sign(b"text", padding.PKCS1v15(), hashes.SHA256()), b"text", padding.PKCS1v15(), hashes.SHA256()
    )
    for key, how in (
        (ecdsa_key(Stream(b"x")), (ec.ECDSA(hashes.SHA256()),)),
        (dsa_key(Stream(b"x")), (hashes.SHA256(),)),
    ):
        key.public_key().verify(key.sign(b"text", *how), b"text", *how)
    pure = ed25519_key(Stream(b"x"))
    pure.public_key().verify(pure.sign(b"text"), b"text")


def test_circumstances_end_with_their_render() -> None:
    with circumstances(KNOWN) as outer:
        with circumstances(None) as inner:
            inner.stream("x")
        assert (outer.chance, list(inner.chance)) == ({}, ["x"])


def test_what_follows_a_key_is_the_same_whether_it_is_made_or_remembered() -> None:
    found = []
    for _ in range(2):
        stream = Stream(b"name")
        stream.take(5)
        key = rsa_key(1024, stream)
        found.append((key.private_numbers(), stream.take(40)))
    assert found[0] == found[1]
    other = Stream(b"another")
    assert rsa_key(1024, other).private_numbers() != found[0][0]
