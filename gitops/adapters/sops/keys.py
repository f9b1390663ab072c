"""Where keys come from: a Secret in the Application's namespace, or for the operator's own the environment.

The keys of the environment are the operator's, so no Application that the operator did not write gets at them, nor at
the key services that the operator's rights open.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gitops.model.application import Application, SourceSpec
from gitops.model.errors import ConfigError

# Entries of a Secret, as Flux reads them.
_AGE, _PGP, _VAULT = ".agekey", ".asc", "sops.vault-token"
_CLOUDS: Final = ("sops.aws-kms", "sops.azure-kv", "sops.gcp-kms")
_PGP_BEGINS: Final = "-----BEGIN PGP"
_LONGEST_FILE: Final = 1024 * 1024
# The keys of a person's ssh, as SOPS takes them.
_SSH_KEYS: Final = (".ssh/id_ed25519", ".ssh/id_rsa")


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys as texts, never shown; `source` says where they are from.

    `variables` are the environment of programs that act for the operator: None where nobody may.
    """

    source: str
    age: tuple[str, ...] = field(default=(), repr=False)
    pgp: tuple[str, ...] = field(default=(), repr=False)
    vault_token: str = field(default="", repr=False)
    variables: Mapping[str, str] | None = field(default=None, repr=False)
    own_keyring: bool = False  # gpg's of the account that we run as


@dataclass(frozen=True, slots=True)
class KeyFinder:
    """Finds the keys of an Application's source.

    `variables` is the environment, `text` what it says a secretRef means ("" for nothing), `secret` the entries of a
    Secret by namespace and name (None: there is none), `is_trusted` tells whose Applications are the operator's own.
    Called in threads.
    """

    variables: Mapping[str, str] = field(repr=False)
    text: Callable[[str], str]
    secret: Callable[[str, str], Mapping[str, bytes] | None]
    is_trusted: Callable[[Application], bool]

    def keys(self, app: Application, source: SourceSpec) -> Keys:
        """Raises ConfigError where there are none, or none that may be used; it holds nothing of them."""
        reference = source.decryption.secretRef
        variables = self.variables if self.is_trusted(app) else None
        if not reference:
            if variables is None:
                raise ConfigError(
                    f"{app.identity}: source.decryption.secretRef: name a Secret with the keys; those of the "
                    "controller's environment are for its operator's own Applications"
                )
            return keys_of_environment(variables)
        text = self.text(reference) if variables is not None else ""
        if text:
            return keys_of_text(text, f"secretRef {reference}", variables)
        entries = self.secret(app.namespace, reference)
        if entries is None:
            raise ConfigError(
                f"{app.identity}: source.decryption.secretRef: there is no Secret {app.namespace}/{reference}"
            )
        return keys_of_entries(entries, f"Secret {app.namespace}/{reference}", variables)


def keys_of_entries(entries: Mapping[str, bytes], source: str, variables: Mapping[str, str] | None) -> Keys:
    """The keys in a Secret. Raises ConfigError for one that holds none, or those of a cloud."""
    age = tuple(_decoded(data, source) for name, data in sorted(entries.items()) if name.endswith(_AGE))
    pgp = tuple(_decoded(data, source) for name, data in sorted(entries.items()) if name.endswith(_PGP))
    token = _decoded(entries.get(_VAULT, b""), source).strip()
    clouds = sorted(name for name in _CLOUDS if name in entries)
    if clouds:
        raise ConfigError(
            f"{source}: {clouds[0]}: credentials of a cloud are not taken from a Secret; an Application that the "
            "operator wrote has those of the environment"
        )
    if not age and not pgp and not token:
        raise ConfigError(f"{source}: holds no key (an entry that ends in {_AGE} or {_PGP}, or {_VAULT})")
    return Keys(source, age, pgp, token, variables)


def keys_of_text(text: str, source: str, variables: Mapping[str, str] | None) -> Keys:
    """Keys of age or PGP as they are written, or a map of entries as a Secret has them (YAML)."""
    if text.lstrip().startswith(_PGP_BEGINS):
        return Keys(source, pgp=(text,), variables=variables)
    if text.lstrip().startswith(("AGE-", "#", "-----BEGIN")):
        return Keys(source, age=(text,), variables=variables)
    entries = _map_of(text, source)
    return keys_of_entries({name: value.encode() for name, value in entries.items()}, source, variables)


def keys_of_environment(variables: Mapping[str, str]) -> Keys:
    """What SOPS itself would use: SOPS_AGE_KEY, key files, ssh keys, the account's keyring, and its key services."""
    home = Path(variables.get("HOME") or "/")
    settings = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    named = [variables[name] for name in ("SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE") if variables.get(name)]
    age = [variables["SOPS_AGE_KEY"]] if variables.get("SOPS_AGE_KEY") else []
    age += [_file(Path(name)) for name in named]
    standing = (settings / "sops/age/keys.txt", *(home / name for name in _SSH_KEYS))
    age += [_file(path) for path in standing if path.is_file()]
    return Keys("the environment", tuple(age), variables=variables, own_keyring=True)


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_FILE + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: the key cannot be read: {exc.strerror}") from None
    if len(data) > _LONGEST_FILE:
        raise ConfigError(f"{path}: is too long for a key")
    return _decoded(data, str(path))


def _map_of(text: str, source: str) -> dict[str, str]:
    from gitops.manifests.errors import ManifestError
    from gitops.manifests.yaml_documents import load_all

    try:
        value: Any = load_all(text.encode(), source)[0].value
    except (ManifestError, IndexError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ConfigError(f"{source}: expected keys of age or PGP, or a map with entries such as keys{_AGE}")
    return value


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: holds a key that is not text; keys are written in letters (armored)") from None
