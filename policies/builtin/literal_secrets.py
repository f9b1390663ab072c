"""`no-literal-secrets`: passwords belong into Secrets, not into ConfigMaps, environment values or arguments."""

import re
from collections.abc import Iterator

import re2

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers

# Of names as words between `_`: dbPassword is db_password.
_NAME = re.compile(
    r"(?:password|passwd|secret|token|(?:^|_)(?:pass|pwd|secret_key_base)"
    r"|(?:^|_)(?:api|private|access|secret|encryption|signing|master|auth|session)_?key)$"
)
_VALUE = re2.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@$<{*%][^\s/@]*@"  # a password in an address
)
# `tls-secret`, and most options that end so, give the name of a Secret.
_NAMES_ONE = re.compile(r"(?:^|_)(?:pull|tls|ssl|webhook|cert|certificate|ca)_?secret$")
_SECRET_ITSELF = re.compile(r"(?:client|app|shared|signing|jwt|auth)_?secret$")
# Values that name a secret rather than being one, placeholders, and switches.
_HARMLESS = re.compile(
    r"(?i)(?:|true|false|yes|no|on|off|none|null|\d+|\$[({\w].*|`.*|%.*|\{\{.*|<.*>|/.*|[a-z][a-z0-9+.-]*://.*"
    r"|[\w.-]+\.(?:key|pem|crt|json|ya?ml|txt))"
)
_OPTION = re.compile(r"--?([\w.-]+)=(.+)", re.S)
_ASSIGNMENT = re.compile(r"(?:^|[\s;&|\"'])([A-Za-z_]\w*)=[\"']?([^\s\"';&|]+)")


def _check(body: Body, _: Target) -> Iterator[Breach]:
    if body.get("kind") == "ConfigMap" and body.get("apiVersion") == "v1":
        for name, value in (body.get("data") or {}).items():
            if _is_secret(name, str(value)):
                yield f"data[{name}]", "looks like a secret in a ConfigMap", "move it to a Secret"
    for path, container in containers(body):
        for variable in container.get("env") or []:
            name, value = str(variable.get("name", "")), variable.get("value")
            if isinstance(value, str) and _is_secret(name, value):
                field = f"{path}.env[name={name}].value"
                yield field, "looks like a secret written out", "use valueFrom.secretKeyRef"
        for part in ("command", "args"):
            words = [str(word) for word in container.get(part) or []]
            for number in _secret_words(words):
                yield (
                    f"{path}.{part}[{number}]",
                    "looks like a secret written out",
                    "give it by an environment variable",
                )


def _secret_words(words: list[str]) -> Iterator[int]:
    """Where a command line has a secret: `--token=x`, `--token x`, `TOKEN=x` in a script."""
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        option = _OPTION.fullmatch(word)
        given = [option.groups()] if option else _ASSIGNMENT.findall(word)
        if before.startswith("-") and "=" not in before and not word.startswith("-"):
            given = [*given, (before.lstrip("-"), word)]
        if _VALUE.search(word) or any(_is_given(name, value) for name, value in given):
            yield number


def _is_given(name: str, value: str) -> bool:
    words = _words(name)
    return _is_secret(name, value) and (not words.endswith("secret") or bool(_SECRET_ITSELF.search(words)))


def _is_secret(name: str, value: str) -> bool:
    words = _words(name)
    is_named = bool(_NAME.search(words)) and not _NAMES_ONE.search(words)
    return bool(_VALUE.search(value)) or (is_named and not _HARMLESS.fullmatch(value.strip()))


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-.]", "_", name).lower()


RULE = Rule(
    name="no-literal-secrets",
    about="No password, token or key stands in a ConfigMap, a literal environment value or a command line.",
    check=_check,
    good="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: web:1
      env:
        - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
        - {name: TOKEN, value: /run/secrets/token}
""",
    bad="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "web:1", env: [{name: DB_PASSWORD, value: hunter2}]}]}
""",
    field="spec.containers[name=web].env[name=DB_PASSWORD].value",
)
