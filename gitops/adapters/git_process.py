"""Running the `git` program as if every repository, URL and server were hostile.

No system or user configuration, no hooks, no prompts, no submodules, no transports but those allowed, a time limit
that ends the whole process group, and credentials that travel in the environment of that one process only: never in
an argument, a URL, a file of the mirror, or the text of an error.

Not here: what is fetched (`git`), which ref is meant (`git_refs`), reading files (`git_tree`).
"""

import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from gitops.adapters.child_process import StoppedError, end, printed
from gitops.bounds import MIB
from gitops.model.errors import HostUnreachableError, SourceError
from gitops.model.source_name import hidden_userinfo, why_no_url

# What a git may have. A fetch resolves deltas; large files are read in pieces, and packs through a window.
_MEMORY: Final = 256 * MIB
_FETCH_MEMORY: Final = 512 * MIB
PROTOCOLS: Final = ("https", "http", "ssh", "file")

_SETTINGS: Final = {
    "core.hooksPath": "/dev/null",
    "core.bigFileThreshold": "16m",
    "core.fsmonitor": "false",
    "core.askPass": "/bin/false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
    "protocol.version": "2",
    "safe.directory": "*",
    "submodule.recurse": "false",
}
# A credential helper in shell, as git has it: it prints what the environment of this one process holds.
_HELPER: Final = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$GITOPS_GIT_USERNAME" "$GITOPS_GIT_PASSWORD"; }; f'
)
# ssh finds the account's keys, agent and settings by itself, whatever HOME says.
_NOTHING_ELSE: Final = "-F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none"
# What git adds to that which ssh says is wrong.
_BY_SSH: Final = "fatal: Could not read from remote repository."
_QUOTED = re.compile(r"'[^'\n]*'")
_OF_HOST = re.compile(
    r"could not resolve|failed to connect|couldn't connect|connection (?:was )?(?:refused|reset|timed out|closed)"
    r"|timed out|no route to host|network is unreachable|empty reply|kex_exchange|\bSSL|\bTLS|gnutls|certificate"
    r"|(?:returned error:|HTTP) (?:429|5[0-9][0-9])",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/\s']*@")
_SCP = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\[\]-]*:(?!:)(?!//)[^\s]+")


def _nothing() -> None:
    """Nothing is to be checked."""


@dataclass(frozen=True, slots=True)
class GitCredentials:
    """How to authenticate with one repository; every field may be left out.

    `token` is sent as the password of `username` (or of `x-access-token`), a `bearer_token` as such instead. An ssh key
    needs `known_hosts`. `ca` and `certificate` (with its key) are PEM texts, `ca_file` is a path, `proxy` a URL. With
    `as_account` ssh may use the keys and the settings of the account that we run as, where no key is given: those are a
    person's or the operator's, and nobody else's.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ssh_private_key: str = field(default="", repr=False)
    known_hosts: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    ca_file: str = ""
    ca: str = ""
    certificate: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    as_account: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Whatever must not be shown, the longest first."""
        key_lines = tuple(line for line in self.ssh_private_key.splitlines() if len(line) > 8 and "-----" not in line)
        texts = (self.password, self.token, self.bearer_token, _password_in(self.proxy))
        key_lines += tuple(line for line in self.certificate.splitlines() if len(line) > 8 and "-----" not in line)
        found = {*texts, *map(quote, texts), *key_lines} - {""}
        return tuple(sorted(found, key=len, reverse=True))


def _password_in(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository as git is told of it: a URL free of secrets, and the credentials for it."""

    url: str
    protocol: str
    credentials: GitCredentials

    def scrub(self, text: str) -> str:
        """`text` without any secret."""
        for secret in self.credentials.secrets:
            text = text.replace(secret, "***")
        return _USERINFO.sub("***@", text) if self.protocol != "ssh" else text


def remote_of(url: str, credentials: GitCredentials, allowed: Sequence[str]) -> Remote:
    """Check `url` and take a password out of it; raises SourceError, which never repeats a password.

    Accepted are https, http, ssh and file URLs, `user@host:path`, and absolute paths, as far as `allowed`.
    """
    if not url or url.startswith("-") or any(ord(character) < 33 for character in url):
        raise SourceError(f"{hidden_userinfo(url)!r}: not the URL of a Git repository (write https://HOST/PATH)")
    if url.startswith("/"):
        return _allowed(Remote(url, "file", credentials), allowed)
    if "://" not in url:
        if "::" in url or not _SCP.fullmatch(url):
            raise SourceError(f"{hidden_userinfo(url)}: not the URL of a Git repository (write https://HOST/PATH)")
        return _allowed(Remote(url, "ssh", credentials), allowed)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError(f"{hidden_userinfo(url)}: not a URL ({why_no_url(error)})") from error
    if parts.scheme not in PROTOCOLS or host.startswith("-") or (not host and parts.scheme != "file"):
        raise SourceError(f"{hidden_userinfo(url)}: cannot be fetched from (write https://HOST/PATH)")
    if parts.scheme == "ssh" and (parts.username or "").startswith("-"):
        raise SourceError("a user name may not start with a dash")
    if parts.scheme != "ssh" and (parts.username or parts.password):
        credentials = _from_url(credentials, unquote(parts.username or ""), unquote(parts.password or ""))
        netloc = f"[{host}]" if ":" in host else host
        parts = parts._replace(netloc=f"{netloc}:{port}" if port else netloc)
    elif parts.scheme == "ssh" and parts.password:
        parts = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@"))
    return _allowed(Remote(urlunsplit(parts), parts.scheme, credentials), allowed)


def is_ssh(url: str) -> bool:
    """Whether a repository is reached by ssh: `ssh://HOST/PATH`, or git's short form `user@host:path`."""
    return url.startswith("ssh://") or ("://" not in url and not url.startswith("/"))


def _from_url(credentials: GitCredentials, username: str, password: str) -> GitCredentials:
    """A URL's own user and password, which those that were configured go before."""
    if credentials.password or credentials.token:
        return credentials
    return replace(credentials, username=username if password else "", password=password or username)


def _allowed(remote: Remote, allowed: Sequence[str]) -> Remote:
    if remote.protocol not in allowed:
        raise SourceError(f"{remote.url}: {remote.protocol} repositories are not allowed here")
    if remote.protocol == "ssh" and remote.credentials.ssh_private_key and not remote.credentials.known_hosts:
        raise SourceError(f"{remote.url}: an ssh key needs known_hosts beside it (ssh-keyscan HOST prints them)")
    return remote


class GitProcess:
    """Runs git commands in one environment; `environment` adds to it (PATH, SSH_AUTH_SOCK, a proxy)."""

    def __init__(self, environment: Mapping[str, str] | None = None, allowed: Sequence[str] = ("https", "ssh")) -> None:
        program = shutil.which("git", path=(environment or {}).get("PATH"))
        if program is None:
            raise SourceError("the git program is not installed, or not on the PATH")
        self.program = program
        self._environment = {
            "PATH": os.pathsep.join([os.path.dirname(program), os.defpath]),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "GIT_ALLOW_PROTOCOL": ":".join(allowed),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
        } | dict(environment or {})

    def environment(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a git process with these settings on top of the hardened ones."""
        everything = _SETTINGS | dict(settings or {})
        counted = {"GIT_CONFIG_COUNT": str(len(everything))}
        for number, (name, value) in enumerate(everything.items()):
            counted |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        return self._environment | counted

    def run(
        self,
        arguments: Sequence[str],
        directory: Path,
        timeout: float,
        remote: Remote | None = None,
        check: Callable[[], None] = _nothing,
    ) -> bytes:
        """What git prints, at most MOST_PRINTED; raises GitFailure with git's own words, scrubbed.

        SourceError when time is up or it prints more. While it runs `check` is called now and then; what that raises
        ends git too.
        """
        with _secrets_for(remote) as (settings, extra):
            command = _command(arguments)
            process = self.start(arguments, directory, settings, extra)

            def checked() -> None:
                _limit_memory(process.pid, _memory(command))
                check()

            try:
                out, err = printed(process, timeout, checked)
            except StoppedError as error:
                said = f"git {command} {error}"
                slow = HostUnreachableError if error.is_late else SourceError
                raise SourceError(said) if remote is None else slow(f"{remote.url}: {said}") from None
            finally:
                end(process)
        if process.returncode != 0:
            words = err.decode(errors="replace")
            if "out of memory" in words.lower():
                most = f"git {command} needs more than {_memory(command) // MIB} MiB of memory"
                raise SourceError(f"{remote.url}: {most}" if remote else most)
            raise GitFailure(remote.scrub(words) if remote else words)
        return out

    def start(
        self,
        arguments: Sequence[str],
        directory: Path,
        settings: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """A git of its own process group, with a bound on the memory that it and what it starts may have."""
        process = subprocess.Popen(
            [self.program, *arguments],
            cwd=directory,
            env=self.environment(settings) | dict(extra or {}),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        _limit_memory(process.pid, _memory(_command(arguments)))
        return process


def _command(arguments: Sequence[str]) -> str:
    """What git is to do, after the options of git itself."""
    return next(word for word in arguments if not word.startswith("-"))


def _memory(command: str) -> int:
    return _FETCH_MEMORY if command == "fetch" else _MEMORY


def _limit_memory(pid: int, most: int) -> None:
    """For a process, and for those that it has started before it had a limit to hand on."""
    with suppress(OSError, ValueError):  # it has ended meanwhile
        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            _limit_memory(int(child), most)


class GitFailure(Exception):
    """git exited with an error; the text is what it said, free of secrets."""

    @property
    def reason(self) -> str:
        """The line that tells most."""
        lines = [line.strip() for line in str(self).splitlines() if line.strip()]
        if _BY_SSH in lines[1:]:
            return lines[lines.index(_BY_SSH) - 1]
        for mark in ("fatal: ", "error: ", "remote: "):
            found = next((line.removeprefix(mark) for line in lines if line.startswith(mark)), None)
            if found:
                return found
        return lines[-1] if lines else "git said nothing"

    def is_hosts(self, remote: Remote) -> bool:
        """Whether it was the remote's host that failed, and not this one of its repositories."""
        # Neither an address nor what a server says for one repository may pass for the words of git, curl or ssh.
        words = _QUOTED.sub("", str(self).replace(remote.url, ""))
        own = [line for line in words.splitlines() if not line.startswith("remote:") and "remote error:" not in line]
        return any(_OF_HOST.search(line) for line in own)


@contextmanager
def _secrets_for(remote: Remote | None) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Settings and environment variables that carry the credentials; key files are gone afterwards."""
    settings: dict[str, str] = {}
    extra: dict[str, str] = {}
    if remote is None:
        yield settings, extra
        return
    credentials = remote.credentials
    if credentials.ca_file:
        settings["http.sslCAInfo"] = credentials.ca_file
    if credentials.proxy:
        settings["http.proxy"] = credentials.proxy
    password = credentials.password or credentials.token
    parts = urlsplit(remote.url) if remote.protocol in ("https", "http") else None
    home = f"{parts.scheme}://{parts.netloc}" if parts is not None else ""
    if home and credentials.bearer_token:
        if not credentials.bearer_token.isprintable() or not credentials.bearer_token.isascii():
            raise SourceError(f"{remote.url}: its bearerToken holds a line break, or a letter for no header")
        settings[f"http.{home}.extraHeader"] = f"Authorization: Bearer {credentials.bearer_token}"
    elif home and password:
        settings[f"credential.{home}.helper"] = _HELPER
        extra |= {
            "GITOPS_GIT_USERNAME": credentials.username or "x-access-token",
            "GITOPS_GIT_PASSWORD": password,
        }
    if remote.protocol != "ssh" and not (home and (credentials.ca or credentials.certificate)):
        yield settings, extra
        return
    with tempfile.TemporaryDirectory(prefix="gitops-git-") as folder:
        if remote.protocol == "ssh":
            extra["GIT_SSH_COMMAND"] = _ssh_command(credentials, Path(folder))
        else:
            settings |= _tls_settings(credentials, home, Path(folder))
        yield settings, extra


def _tls_settings(credentials: GitCredentials, home: str, folder: Path) -> dict[str, str]:
    """What git is told of certificates for the server `home`; it reads files only."""
    found: dict[str, str] = {}
    if credentials.ca and not credentials.ca_file:
        (folder / "ca").write_text(credentials.ca)
        found[f"http.{home}.sslCAInfo"] = str(folder / "ca")
    if credentials.certificate:
        place = folder / "certificate"
        place.touch(mode=0o600)
        place.write_text(credentials.certificate)
        found |= {f"http.{home}.sslCert": str(place), f"http.{home}.sslKey": str(place)}
    return found


def _ssh_command(credentials: GitCredentials, folder: Path) -> str:
    command = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15"
    if credentials.known_hosts:
        hosts = folder / "known_hosts"
        hosts.write_text(credentials.known_hosts.rstrip("\n") + "\n")
        command += f" -o UserKnownHostsFile={hosts} -o GlobalKnownHostsFile=/dev/null"
    if credentials.ssh_private_key:
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(credentials.ssh_private_key.rstrip("\n") + "\n")
        return f"{command} {_NOTHING_ELSE} -i {key}"
    return command if credentials.as_account else f"{command} {_NOTHING_ELSE} -o IdentityFile=none"
