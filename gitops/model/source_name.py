"""The name of a source in inventories and releases: the repository's address, and after `//` the path in it."""

import re

_ADDRESS = re.compile(r"(?:\w+://)?(?:[^/@]*@)?([^/:]+)(?::\d+)?[:/]+(.*?)(?:\.git)?/?", re.ASCII)
_USERINFO = re.compile(r"^(\w+://)[^/@]*@")


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


def without_userinfo(address: str) -> str:
    return _USERINFO.sub(r"\1", address)


def host_and_path(address: str) -> tuple[str, str] | None:
    """What a repository is called at its host, by https or by ssh, with `.git` at the end or without, or None."""
    match = _ADDRESS.fullmatch(address)
    return (match.group(1).lower(), match.group(2)) if match else None


def are_same(one: str, other: str) -> bool:
    """Whether two addresses are of one repository."""
    found = host_and_path(one)
    return found is not None and found == host_and_path(other)
