"""Which text may be the name of an object, and part of a path of the API.

`LABEL` and `SUBDOMAIN` are RFC 1123's, as Kubernetes checks most names; some kinds (RBAC, custom ones) allow more, and
for these `bad_segment` says what no name may be.
"""

import re
from typing import NamedTuple

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"


class NamePattern(NamedTuple):
    """What text in a field has to look like; "" stands for a field that is not set, unless it is needed.

    `words` say it to people.
    """

    pattern: str
    longest: int
    words: str
    is_needed: bool = False

    @property
    def whole(self) -> str:
        """The pattern that a whole text has to fit, as a schema has it."""
        return f"^({self.pattern}){'' if self.is_needed else '?'}$"

    def fits(self, text: str) -> bool:
        whole = self.pattern if self.is_needed else f"({self.pattern})?"
        return len(text) <= self.longest and re.fullmatch(whole, text) is not None


LABEL_NAME = NamePattern(LABEL, 63, "lower-case letters, digits and '-', at most 63 characters")
SUBDOMAIN_NAME = NamePattern(SUBDOMAIN, 253, "lower-case letters, digits, '-' and '.', at most 253 characters")
APPLICATION_NAME = NamePattern(f"({LABEL}/)?{LABEL}", 127, "NAME or NAMESPACE/NAME of an Application")


def bad_segment(text: str) -> str:
    """Why `text` cannot be one segment of a path, or "" if it can; as Kubernetes' `IsValidPathSegmentName`.

    A longer or control-character name is refused too: the API server has none, and it would be written to logs.
    """
    if text in ("", ".", ".."):
        return f"may not be {text!r}"
    found = next((mark for mark in "/%" if mark in text), "")
    if found:
        return f"may not contain '{found}'"
    if len(text) > _LONGEST or not text.isprintable():
        return f"must be printable text of at most {_LONGEST} characters"
    return ""


_LONGEST = 1024
