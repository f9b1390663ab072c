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


def are_same(one: str, other: str) -> bool:
    """Whether two addresses are of one repository, by https or by ssh, with `.git` at the end or without."""
    found = [_ADDRESS.fullmatch(address) for address in (one, other)]
    names = [(match.group(1).lower(), match.group(2)) if match else None for match in found]
    return names[0] is not None and names[0] == names[1]
