"""The name of a source in inventories and releases: the repository's address, and after `//` the path in it."""

import re
from urllib.parse import unquote, urlsplit

_ADDRESS = re.compile(r"(?:\w+://)?(?:[^/@]*@)?([^/:]+)(?::\d+)?[:/]+(.*?)(?:\.git)?/?", re.ASCII)
_USERINFO = re.compile(r"^([\w+.-]+://)[^/?#]*@")
_HIDDEN = re.compile(r"(?:(?<=://)|^(?=[^/]*:[^/]*@)).*@", re.DOTALL)


def source_name(address: str, path: str) -> str:
    """Free of credentials."""
    repository = without_userinfo(address)
    return repository if path in ("", ".") else f"{repository}//{path}"


def source_parts(name: str) -> tuple[str, str]:
    """The (address, path) that `name` (of `source_name`) was made of."""
    scheme, mark, rest = name.rpartition("://")
    address, _, path = rest.partition("//")
    return f"{scheme}{mark}{address}", path or "."


def is_oci(address: str) -> bool:
    """Whether an address is of an OCI registry's repository."""
    return address.startswith("oci://")


def is_bucket(address: str) -> bool:
    """Whether an address is of a bucket in a store of objects."""
    return address.startswith("s3://")


def without_userinfo(address: str) -> str:
    return _USERINFO.sub(r"\1", address)


def hidden_userinfo(text: str) -> str:
    """What is no address, for a message: all that may have been meant as a user and a password is hidden."""
    return _HIDDEN.sub("***@", text)


def why_no_url(error: ValueError) -> str:
    """What urlsplit says, which repeats a user and a password in one case."""
    return "its host has letters that no name has" if "netloc" in str(error) else str(error)


def url_login(address: str) -> tuple[str, str]:
    """The user and the password in an address; one word alone is a token. Raises ValueError for what is no URL."""
    parts = urlsplit(address)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return (user, password) if password else ("x-access-token" if user else "", user)


def host_and_path(address: str) -> tuple[str, str] | None:
    """What a repository is called at its host, by https or by ssh, with `.git` at the end or without, or None."""
    match = _ADDRESS.fullmatch(address)
    return (match.group(1).lower(), match.group(2)) if match else None


def are_same(one: str, other: str) -> bool:
    """Whether two addresses are of one repository."""
    found = host_and_path(one)
    return found is not None and found == host_and_path(other)
