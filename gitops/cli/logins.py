"""The servers that a person has logged in to, with their tokens: a file that is its owner's alone."""

import json
import os
import stat
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from gitops.bounds import MIB, parsed_map, read_file
from gitops.model.errors import ConfigError
from gitops.model.reading import read_as

LAST: Final = "last"


@dataclass(frozen=True, slots=True)
class Login:
    """One server: the token, who it is of, and whether HTTP without TLS was asked for."""

    url: str
    token: str = field(repr=False)
    name: str = ""
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class Logins:
    """All of them, by their address; `last` is the one that somebody logged in to last, or ""."""

    servers: dict[str, Login]
    last: str = ""

    def with_login(self, login: Login) -> "Logins":
        return Logins({**self.servers, login.url: login}, login.url)

    def without(self, url: str) -> "Logins":
        left = {name: login for name, login in self.servers.items() if name != url}
        return replace(self, servers=left, last="" if url == self.last else self.last)


def logins_file() -> Path:
    """Below XDG_CONFIG_HOME, else ~/.config."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "gitops" / "servers.json"


def read_logins() -> Logins:
    """Raises ConfigError for a file that others may read, or that is damaged."""
    path = logins_file()
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Logins({})
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read the tokens in it: chmod 600 {path}")
    try:
        found = parsed_map(read_file(path, MIB))
        servers = {str(url): _login(str(url), login) for url, login in dict(found.get("servers") or {}).items()}
    except (OSError, ValueError, TypeError) as exc:
        raise ConfigError(f"{path}: is damaged ({exc}); remove it and log in again") from exc
    return Logins(servers, str(found.get("last") or ""))


def write_logins(logins: Logins) -> None:
    """Readable by its owner alone from the first byte on. Raises ConfigError."""
    path = logins_file()
    data: dict[str, Any] = {"last": logins.last, "servers": {url: asdict(one) for url, one in logins.servers.items()}}
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
        os.replace(fresh, path)
    except OSError as exc:
        fresh.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc


def _login(url: str, found: Any) -> Login:
    return replace(read_as(Login, found), url=url)
