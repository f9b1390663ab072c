"""Functions of templates, each as its library documents it; what Helm said is in `test_helm_expressions`."""

import pytest

from renderers.helm.json_errors import json_error
from tests.unit.helm_oracle import our_answer


def given(template: str) -> str:
    answer = our_answer(template, "{}")
    assert answer.fails is None, answer.fails
    return answer.gives or ""


def refused(template: str) -> str:
    answer = our_answer(template, "{}")
    assert answer.gives is None, answer.gives
    return answer.fails or ""


# ── TOML ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("toml", "kind", "text"),
    [
        ("3", "int64", "3"),
        ("3.0", "float64", "3"),
        ("true", "bool", "true"),
        ("'3'", "string", "3"),
        ("[1, [true]]", "slice", "[1 [true]]"),
        ("{b = 2}", "map", "map[b:2]"),
        ("2024-01-02T03:04:05+02:00", "struct", "2024-01-02 03:04:05 +0200 +0200"),
        ("2024-01-02T03:04:05Z", "struct", "2024-01-02 03:04:05 +0000 UTC"),
        ("2024-01-02T03:04:05", "struct", "2024-01-02 03:04:05 +0000 datetime-local"),
        ("2024-01-02", "struct", "2024-01-02 00:00:00 +0000 date-local"),
        ("03:04:05.25", "struct", "0000-01-01 03:04:05.25 +0000 time-local"),
    ],
)
def test_what_toml_holds_has_the_type_that_go_gives_it(toml: str, kind: str, text: str) -> None:
    read = f"(fromToml `a = {toml}`).a"
    assert given("{{ kindOf " + read + " }} {{ " + read + " }}") == f"{kind} {text}"


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-02",
        "2024-01-02T03:04:05",
        "2024-01-02T03:04:05.25",
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05.5+02:00",
        "03:04:05",
        "03:04:05.25",
    ],
)
def test_a_date_or_time_that_is_read_and_written_again_says_no_more_than_before(written: str) -> None:
    assert given("{{ fromToml `a = " + written + "` | toToml }}") == f"a = {written}\n"


def test_what_cannot_be_toml_is_an_error_among_the_values() -> None:
    assert given("{{ (fromToml `a = `).Error }}").startswith("toml: ")


@pytest.mark.parametrize(
    ("json", "why"),
    [
        ('{"a":1} x', "invalid character 'x' after top-level value"),
        ('{"a":[1,{"b":{}}]} x', "invalid character 'x' after top-level value"),
        ('{"a":1 x', "invalid character 'x' after object key:value pair"),
        ('{"a":{"b":1} x', "invalid character 'x' after object key:value pair"),
        ('{"a":[1 x]}', "invalid character 'x' after array element"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ('{"a":1', "unexpected end of JSON input"),
    ],
)
def test_what_is_no_json_is_told_as_go_tells_it(json: str, why: str) -> None:
    assert given("{{ (fromJson `" + json + "`).Error }}") == why


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_json_may_nest_as_deep_as_go_reads_it_and_no_deeper() -> None:
    assert [json_error("[" * depth) for depth in (10_000, 10_001)] == [
        "unexpected end of JSON input",
        "exceeded max depth",
    ]


def test_versions_before_a_release_come_in_the_order_of_the_specification() -> None:
    """https://semver.org/#spec-item-11."""
    ordered = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1", ""]
    versions = [f"1.0.0-{pre}".rstrip("-") for pre in ordered]
    for at, low in enumerate(versions):
        compared = [given('{{ (semver "' + low + '").Compare (semver "' + high + '") }}') for high in versions]
        assert compared == ["1"] * at + ["0"] + ["-1"] * (len(versions) - at - 1)


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_date_may_be_the_last_day_of_its_month_and_not_the_day_after() -> None:
    for month, days in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1):
        assert given(f'{{{{ toDate "2006-1-2" "2023-{month}-{days}" | date "1-2" }}}}') == f"{month}-{days}"
        said = refused(f'{{{{ mustToDate "2006-1-2" "2023-{month}-{days + 1}" }}}}')
        assert said.endswith(f'parsing time "2023-{month}-{days + 1}": day out of range')


def test_the_name_utc_counts_more_than_an_offset_that_is_written_beside_it() -> None:
    read = '{{ toDate "15:04 -0700 MST 2006" "03:04 +0200 UTC 2024" | printf "%v" }}'
    assert given(read) == "2024-01-01 03:04:00 +0000 UTC"


def test_a_fraction_at_the_end_of_a_time_is_its_own() -> None:
    assert given('{{ toDate "15:04:05.000" "03:04:05.250" | date "05.000" }}') == "05.250"


def test_what_is_no_time_is_the_zero_time() -> None:
    assert given('{{ (toDate "2006" "2024").IsZero }} {{ (toDate "2006" "x").IsZero }}') == "false true"


@pytest.mark.parametrize(
    ("duration", "after"),
    [
        ("1h2m3s4ms5us6ns", "01:02:03.004005006"),
        ("1.5h", "01:30:00.000000000"),
        ("7µs", "00:00:00.000007000"),
        ("7μs", "00:00:00.000007000"),
    ],
)
def test_each_unit_of_a_duration_is_as_long_as_it_says(duration: str, after: str) -> None:
    later = "toDate `2006-01-02` `2024-01-01` | dateModify `" + duration + "`"
    assert given("{{ " + later + " | date `15:04:05.000000000` }}") == after


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{ quote "é\\"" }}', '"é\\""'),
        ('{{ printf "%q" 39 }}', r"'\''"),
        ('{{ printf "%+q" "\\uffff\\U00010000" }}', r'"\uffff\U00010000"'),
    ],
)
def test_what_stands_in_quotes_is_written_as_go_writes_it(template: str, text: str) -> None:
    assert given(template) == text


@pytest.mark.parametrize("clause", ["define", "template"])
def test_an_action_that_ends_too_early_is_told_without_the_space_and_dash_of_its_end(clause: str) -> None:
    said = f'parse error at (x:1): unexpected "}}}}" in {clause} clause'
    assert [refused("{{ " + clause + end) for end in ("}}", " }}", " -}}", "\n-}}")] == [said] * 3 + [
        said.replace("x:1", "x:2")
    ]


def test_an_empty_comment_ends_where_it_is_and_the_lines_after_it_count() -> None:
    assert refused("{{/**/}}\n\n{{/* a\n */}}\n{{ nothing }}").startswith("parse error at (x:4): ")


def test_a_part_of_an_address_that_is_no_text_is_refused_by_name() -> None:
    said = refused("{{ urlJoin (dict `scheme` `http` `host` 80) }}")
    assert said.endswith("unable to parse host key, must be of type string, but int found")


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ("`path` `a:b/c`", "./a:b/c"),
        ("`path` `a/b:c`", "a/b:c"),
        ("`scheme` `http` `host` `h` `path` `a:b`", "http://h/a:b"),
    ],
)
def test_a_path_is_never_taken_for_the_scheme_of_an_address(parts: str, address: str) -> None:
    assert given("{{ urlJoin (dict " + parts + ") }}") == address


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_password_of_seventy_two_bytes_is_the_longest_that_bcrypt_takes() -> None:
    assert given('{{ bcrypt (repeat 72 "a") }}').startswith("$2a$10$")
    assert "password length exceeds 72 bytes" in given('{{ bcrypt (repeat 73 "a") }}')


def test_a_certificate_whose_data_is_broken_is_refused() -> None:
    broken = "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n"
    said = refused('{{ buildCustomCert (b64enc "' + broken + '") (genPrivateKey "ed25519" | b64enc) }}')
    assert said.endswith("error calling buildCustomCert: error parsing certificate: its data cannot be read")
