"""What text in an Application's fields has to look like: one rule for the reader of files and for the CRD's schema.

The patterns mean the same to Python and to Go (RE2): no look-around, and classes of ASCII only. What a pattern cannot
say (30 February, a zone that no machine knows) is checked by whoever reads the field.
"""

from typing import Final

from gitops.manifests.names import NamePattern

# As JSON has them; no half of a surrogate pair.
JSON_STRING: Final = (
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u(?:[0-9a-cA-CeEfF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))*"'
)
JSON_NUMBER: Final = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"
_BLANK: Final = r"[ \t\r\n]*"
_STEP: Final = (
    r"(?:\.[A-Za-z_][A-Za-z0-9_]*\??"
    rf"|\.?\[{_BLANK}(?:{JSON_STRING}|[0-9]{{1,9}})?{_BLANK}\]\??"
    rf"|\.{JSON_STRING}\??)"
)
# Fields and items only: what may be compared.
_PLAIN_STEP: Final = (
    r"(?:\.[A-Za-z_][A-Za-z0-9_]*\??"
    rf"|\.?\[{_BLANK}(?:{JSON_STRING}|[0-9]{{1,9}}){_BLANK}\]\??"
    rf"|\.{JSON_STRING}\??)"
)
PLAIN_PATH: Final = rf"{_PLAIN_STEP}(?:{_BLANK}{_PLAIN_STEP})*"
_SELECT: Final = (
    rf"\|{_BLANK}select\({_BLANK}{PLAIN_PATH}{_BLANK}[=!]={_BLANK}"
    rf"(?:{JSON_STRING}|{JSON_NUMBER}|true|false|null){_BLANK}\)"
)

PATH: Final = NamePattern(
    rf"{_BLANK}(?:(?:\|{_BLANK})?{_STEP}{_BLANK}|{_SELECT}{_BLANK})+",
    1024,
    'a path such as .spec.replicas or .spec.containers[] | select(.name == "web") | .image',
    is_needed=True,
)
POINTER: Final = NamePattern(r"(?s:/.*)", 1024, "a JSON pointer such as /spec/replicas", is_needed=True)

_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS: Final = "sun|mon|tue|wed|thu|fri|sat"


def _field(number: str, more: str = "", alone: str = "") -> str:
    """A field of a schedule: lists of ranges and steps of `number`; `more` stands in lists too, `alone` does not."""
    term = rf"(?:\*|{number}(?:-{number})?)(?:/0{{0,3}}[1-9][0-9]{{0,3}})?"
    term = rf"(?:{term}|{more})" if more else term
    return rf"(?:{term}(?:,{term})*{f'|{alone}' if alone else ''})"


_WEEKDAY: Final = rf"(?:0?[0-7]|(?i:{_DAYS}))"
SCHEDULE: Final = NamePattern(
    "(?:(?i:@(?:yearly|annually|monthly|weekly|daily|midnight|hourly))|"
    + "[ \t]+".join(
        (
            _field("[0-5]?[0-9]"),
            _field("(?:[01]?[0-9]|2[0-3])"),
            _field("(?:0?[1-9]|[12][0-9]|3[01])", "[lL][wW]?", r"\?"),
            _field(rf"(?:0?[1-9]|1[0-2]|(?i:{_MONTHS}))"),
            _field(_WEEKDAY, rf"{_WEEKDAY}#[1-5]|0?[0-7][lL]", r"\?"),
        )
    )
    + ")",
    256,
    "five fields of cron (minute hour day month weekday: numbers in their range, names, lists, ranges or steps) "
    "or a word such as @daily",
    is_needed=True,
)
TIME_ZONE: Final = NamePattern(
    "[A-Za-z0-9][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*)*", 64, "a zone such as Europe/Amsterdam", is_needed=True
)
VERSION: Final = NamePattern(
    r"v?[0-9]{1,4}\.[0-9]{1,4}(?:[.+-][0-9A-Za-z.+-]*)?", 64, "a version of Kubernetes such as 1.32"
)

_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)"
_USER: Final = r"(?:[A-Za-z0-9_.~%!$&'()*+,;=][A-Za-z0-9_.~%!$&'()*+,;=:-]*@)?"
_REST: Final = r"[^\x00-\x20\x7f]*"
REPOSITORY: Final = NamePattern(
    rf"(?:https?|ssh|oci|s3)://{_USER}{_HOST}(?::[0-9]{{1,4}}|:[1-5][0-9]{{4}})?(?:/{_REST})?"
    rf"|file://{_REST}|/{_REST}"
    r"|(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]*:/?[^:/\x00-\x20\x7f]"
    rf"{_REST}",
    1024,
    "the address of a repository such as https://HOST/PATH, user@HOST:PATH, oci://HOST/PATH or s3://HOST/BUCKET",
    is_needed=True,
)
BUCKET_ADDRESS: Final = "s3://[^/]+/[^/?#]+/?"
# As Helm's own check; an OCI repository may stand below others.
PATCH: Final = NamePattern(r"(?s:.*)", 65536, "a patch of at most 65,536 characters", is_needed=True)
VALUE: Final = NamePattern(r"(?s:.*)", 65536, "text of at most 65,536 characters")
EXPRESSION: Final = NamePattern(r"(?s:.+)", 4096, "an expression in CEL of at most 4,096 characters", is_needed=True)
REGION: Final = NamePattern("[a-z0-9-]+", 64, "a region such as eu-central-1")
PREFIX: Final = NamePattern(r"[^\x00-\x1f\x7f]+", 1024, "what keys begin with, without control characters")
KEY: Final = NamePattern(r"[-._a-zA-Z0-9]+", 253, "a key of a ConfigMap or Secret", is_needed=True)
CHART: Final = NamePattern(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", 250, "the name of a chart")
