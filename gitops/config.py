"""Reads what a person configures: an Application's YAML into `gitops.model.application`, and the environment.

A mistake is a ConfigError with the file, the line and the field's path, and what was expected; unknown fields are
errors, with the nearest field that exists. The dataclasses themselves are the schema.
"""

import dataclasses
import difflib
import os
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gitops.bounds import PLAIN_LIMITS, MirrorLimits, read_file
from gitops.engine.paths import parse_path, parse_pointer
from gitops.manifests import quantity
from gitops.manifests.cel import CelError, check_bounded, compiled
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body
from gitops.manifests.names import LABEL_NAME, NamePattern
from gitops.manifests.yaml import line_of
from gitops.manifests.yaml_documents import load_all
from gitops.model.application import Application, Backoff, SourceSpec, Window
from gitops.model.errors import ConfigError
from gitops.model.patterns import PATH, POINTER, SCHEDULE, TIME_ZONE, VERSION
from policies.rule import Target
from policies.windows import check_window

API_VERSION = "gitops.dev/v1alpha1"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
# Fields in seconds, written as a duration ("10m").
SECONDS = {("SyncOptions", "timeout"), ("Application", "interval"), ("Window", "duration")} | {
    ("Backoff", field.name) for field in dataclasses.fields(Backoff) if field.name != "factor"
}
LONGEST = 366 * 24 * 3600.0
# What is read here is worked with on the loop that all Applications share.
MOST_TEXT, MOST_ITEMS, MOST_DURATION = 1024, 256, 64
MOST_NUMBER = 1_000_000
T = TypeVar("T")


def state_folder(option: str) -> Path:
    """Where our own records are kept: `--state`, else GITOPS_STATE, else ~/.local/state/gitops (XDG_STATE_HOME)."""
    if option or os.environ.get("GITOPS_STATE"):
        return Path(option or os.environ["GITOPS_STATE"]).expanduser()
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "gitops"


def cache_folder() -> Path:
    """Where mirrors of repositories are kept: XDG_CACHE_HOME, else ~/.cache; losing it loses nothing."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gitops"


def reads_remote_files() -> bool:
    """Whether kustomizations may name files over HTTP: GITOPS_REMOTE_FILES is `on`, the default, or `off`."""
    text = os.environ.get("GITOPS_REMOTE_FILES", "on")
    if text not in ("on", "off"):
        raise ConfigError(f"GITOPS_REMOTE_FILES: expected on or off, got {text}")
    return text == "on"


def mirror_limits(each: str = "", total: str = "") -> MirrorLimits:
    """How much disk mirrors may have: the options, else GITOPS_REPOSITORY_SIZE and GITOPS_REPOSITORIES_SIZE.

    Raises ConfigError.
    """
    plain = PLAIN_LIMITS
    return MirrorLimits(_size(each, "--repository-size", plain.each), _size(total, "--repositories-size", plain.total))


def _size(option: str, name: str, default: int) -> int:
    variable = "GITOPS_" + name.removeprefix("--").replace("-", "_").upper()
    text = option or os.environ.get(variable, "")
    try:
        size = int(quantity.parse(text)) if text else default
    except quantity.QuantityError:
        size = 0
    if size <= 0:
        raise ConfigError(f"{name if option else variable}: expected a size such as 500Mi or 2Gi, got {text!r}")
    return size


def parse_duration(text: str) -> float:
    """`1h30m`, `90s`, `1.5h` → seconds. Raises ValueError."""
    if not DURATION.fullmatch(text):
        raise ValueError(f"expected a duration such as 90s, 10m or 1h30m, got {text!r}")
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def check_name(name: str, what: str) -> str:
    """A name that Kubernetes takes for an object (RFC 1123 label, 63 characters). Raises ConfigError."""
    if not name or not LABEL_NAME.fits(name):
        raise ConfigError(f"{what}: expected {LABEL_NAME.words}, got {name!r}")
    return name


def read_application(path: Path) -> Application:
    """The one Application in the file `path`. Raises ConfigError."""
    apps = read_applications(path)
    if len(apps) != 1:
        raise ConfigError(f"{path}: expected one Application, found {len(apps)} documents")
    return apps[0]


def read_applications(path: Path) -> list[Application]:
    """Every Application in the file `path`. Raises ConfigError."""
    try:
        data = read_file(path)
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    try:
        documents = load_all(data, str(path))
    except ManifestError as exc:
        raise ConfigError(str(exc)) from exc
    return [_Reader(path, data, number).application(found.value) for number, found in enumerate(documents)]


def application_of(body: Body) -> Application:
    """The Application that a custom resource's body stands for. Raises ConfigError with the field."""
    names = body["metadata"]
    plain = {**body, "metadata": {name: names[name] for name in ("name", "namespace") if name in names}}
    return _Reader(None, b"").application(plain)


class _Reader:
    """Turns one file's plain values into dataclasses, keeping track of where it is for messages."""

    def __init__(self, path: Path | None, data: bytes, document: int = 0) -> None:
        """`path` None: there is no file, and messages name the field alone."""
        self._path = path
        self._data = data
        self._document = document

    def application(self, value: Any) -> Application:
        if not isinstance(value, dict):
            raise self._error((), f"expected an Application, got {_kind(value)}")
        if value.get("apiVersion") != API_VERSION or value.get("kind") != "Application":
            found = f"{value.get('apiVersion')} {value.get('kind')}"
            raise self._error(("apiVersion",), f"expected {API_VERSION} Application, got {found}")
        known = {"apiVersion", "kind", "metadata", "spec", "status"}
        self._check_names(value, known, ())
        metadata = value.get("metadata") or {}
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise self._error(("metadata",), "metadata.name is missing: give the Application a name")
        spec = value.get("spec")
        if not isinstance(spec, dict):
            raise self._error(("spec",), "expected the Application's spec: source and destination at least")
        for part in ("name", "namespace"):
            if part in metadata:
                self._checked_name(metadata[part], ("metadata", part))
        identity = {"name": metadata["name"], "namespace": metadata.get("namespace") or "gitops"}
        app = self._dataclass(Application, spec, ("spec",), given=identity)
        return self._checked(app)

    def _checked(self, app: Application) -> Application:
        app = self._with_sources(app)
        if not app.destination.namespace:
            raise self._error(("spec",), "destination.namespace is missing: say where the objects go")
        self._check_expressions(app)
        return app

    def _with_sources(self, app: Application) -> Application:
        """The Application with what is checked of each of its sources."""
        if not app.sources:
            self._check_source(app.source, ("spec", "source"))
            return app
        if app.source != SourceSpec():
            raise self._error(("spec", "source"), "an Application has either one source or several sources")
        refs = [source.ref for source in app.sources if source.ref]
        for number, source in enumerate(app.sources):
            self._check_source(source, ("spec", "sources", number))
            if refs.count(source.ref) > 1:
                raise self._error(("spec", "sources", number, "ref"), f"another source is called {source.ref} too")
        if not any(source.is_rendered for source in app.sources):
            raise self._error(("spec", "sources"), "none is rendered: leave out a ref, or name a path or a chart")
        return app.with_sources(app.sources)

    def _check_source(self, source: SourceSpec, field: tuple[str | int, ...]) -> None:
        if not source.repoURL:
            raise self._error(field, "repoURL is missing: say which repository to read")
        try:
            parts = urlsplit(source.repoURL)
            if parts.netloc:
                _ = parts.port
        except ValueError as exc:
            raise self._error((*field, "repoURL"), f"not an address: {exc}") from None
        if source.chart and parts.scheme not in ("https", "http", "oci"):
            raise self._error((*field, "repoURL"), "charts come from https://HOST/PATH or oci://HOST/PATH")
        if source.chart and source.path not in (".", ""):
            raise self._error((*field, "path"), "a chart of a repository is rendered as a whole; leave path out")

    def _check_expressions(self, app: Application) -> None:
        for number, rule in enumerate(app.health):
            for name in ("degraded", "suspended", "progressing", "healthy"):
                expression = getattr(rule, name)
                try:
                    if expression:
                        check_bounded(expression)
                        compiled(expression, ("metadata", "object", "spec", "status"))
                except CelError as exc:
                    raise self._error(("spec", "health", number, name), f"cannot be used as a rule: {exc}") from None
        for number, window in enumerate(app.windows):
            try:
                check_window(window)
            except ConfigError as exc:
                raise self._error(("spec", "windows", number), str(exc).removeprefix("windows: ")) from None
        try:
            Target(app.policies.kubernetes)
        except ConfigError as exc:
            raise self._error(("spec", "policies", "kubernetes"), str(exc)) from None
        for number, ignored in enumerate(app.ignoreDifferences):
            for name, parse in (("jsonPointers", parse_pointer), ("jqPathExpressions", parse_path)):
                for place, text in enumerate(getattr(ignored, name)):
                    try:
                        parse(text)
                    except ManifestError as exc:
                        raise self._error(("spec", "ignoreDifferences", number, name, place), str(exc)) from None

    def _checked_name(self, value: Any, field: tuple[str | int, ...]) -> None:
        try:
            check_name(str(value), ".".join(str(step) for step in field))
        except ConfigError as exc:
            raise ConfigError(f"{self._where(field)}{exc}") from None

    def _dataclass(
        self, kind: type[T], value: Any, field: tuple[str | int, ...], given: dict[str, Any] | None = None
    ) -> T:
        if not isinstance(value, dict):
            raise self._error(field, f"expected a map, got {_kind(value)}")
        hints = typing.get_type_hints(kind, include_extras=True)
        names = {found.name for found in dataclasses.fields(kind) if found.name not in (given or {})}  # type: ignore[arg-type]
        self._check_names(value, names, field)
        values = {
            name: self._value(hints[name], item, (*field, name), (kind.__name__, name))
            for name, item in value.items()
            if item is not None
        }
        missing = [found.name for found in dataclasses.fields(kind) if _is_needed(found) and found.name not in values]  # type: ignore[arg-type]
        if missing and not given:
            raise self._error(field, f"{missing[0]} is missing")
        return kind(**values, **(given or {}))

    def _check_names(self, value: dict[str, Any], known: set[str], field: tuple[str | int, ...]) -> None:
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
                raise self._error((*field, name), f"unknown field; {hint}")

    def _value(self, hint: Any, value: Any, field: tuple[str | int, ...], place: tuple[str, str]) -> Any:
        if place in SECONDS:
            return self._duration(value, field)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._dataclass(hint, value, field)
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            plain, pattern = typing.get_args(hint)
            return self._name(plain, pattern, value, field)
        if origin is typing.Literal:
            return self._choice(typing.get_args(hint), value, field)
        if origin is tuple:
            return self._list(typing.get_args(hint)[0], value, field, place)
        if origin is dict:
            return self._map(typing.get_args(hint)[1], value, field)
        return self._typed(hint, value, field)

    def _duration(self, value: Any, field: tuple[str | int, ...]) -> float:
        text = self._typed(str, value, field)
        try:
            if len(text) > MOST_DURATION:
                raise ValueError(f"expected at most {MOST_DURATION} characters, got {len(text)}")
            seconds = parse_duration(text)
        except ValueError as exc:
            raise self._error(field, str(exc)) from None
        if seconds > LONGEST:
            raise self._error(field, f"expected at most {LONGEST / 3600:.0f}h, got {value}")
        return seconds

    def _name(self, hint: Any, pattern: NamePattern, value: Any, field: tuple[str | int, ...]) -> str:
        text: str = self._typed(hint, value, field, max(pattern.longest, MOST_TEXT))
        if pattern.fits(text):
            return text
        try:
            _WHY.get(pattern, str)(text)
        except (ManifestError, ConfigError) as exc:  # who reads the field can say more of what is wrong
            raise self._error(field, str(exc).removeprefix("windows: ")) from None
        raise self._error(field, f"expected {pattern.words}, got {text[:100]!r}")

    def _choice(self, words: tuple[str, ...], value: Any, field: tuple[str | int, ...]) -> str:
        if value not in words:
            raise self._error(field, f"expected one of {', '.join(words)}, got {value!r}")
        return str(value)

    def _list(self, hint: Any, value: Any, field: tuple[str | int, ...], place: tuple[str, str]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._error(field, f"expected a list, got {_kind(value)}")
        if len(value) > MOST_ITEMS:
            raise self._error(field, f"expected at most {MOST_ITEMS} items, got {len(value)}")
        return tuple(self._value(hint, item, (*field, index), ("", place[1])) for index, item in enumerate(value))

    def _map(self, hint: Any, value: Any, field: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = self._typed(dict, value, field)
        if hint is Any:
            return found
        if len(found) > MOST_ITEMS:
            raise self._error(field, f"expected at most {MOST_ITEMS} entries, got {len(found)}")
        return {name: self._value(hint, item, (*field, name), ("", "")) for name, item in found.items()}

    def _typed(self, hint: Any, value: Any, field: tuple[str | int, ...], most: int = MOST_TEXT) -> Any:
        if hint is int and isinstance(value, float) and value.is_integer():  # an API server takes 5.0 for 5
            value = int(value)
        fits = isinstance(value, (int, float)) if hint is float else isinstance(value, hint)
        if not fits or (isinstance(value, bool) and hint is not bool):
            raise self._error(field, f"expected {_NAMES[hint.__name__]}, got {_kind(value)}")
        if hint in (int, float) and not 0 <= value <= MOST_NUMBER:
            words = f"at most {MOST_NUMBER:,}" if value > 0 else "0 or more"
            raise self._error(field, f"expected {words}, got {value}")
        if hint is str and len(value) > most:
            raise self._error(field, f"expected at most {most} characters, got {len(value)}")
        return value

    def _line(self, field: tuple[str | int, ...]) -> int:
        for depth in range(len(field), 0, -1):
            found = line_of(self._data, self._document, field[:depth])
            if found is not None:
                return found
        return 1

    def _error(self, field: tuple[str | int, ...], message: str) -> ConfigError:
        name = ".".join(str(step) for step in field).replace("..", ".")
        text = re.sub(r"\.(\d+)", r"[\1]", name)
        return ConfigError(f"{self._where(field)}{text + ': ' if text else ''}{message}")

    def _where(self, field: tuple[str | int, ...]) -> str:
        return "" if self._path is None else f"{self._path}:{self._line(field)}: "


_WHY: dict[NamePattern, Callable[[str], object]] = {
    PATH: parse_path,
    POINTER: parse_pointer,
    SCHEDULE: lambda text: check_window(Window("allow", text, 1.0)),
    TIME_ZONE: lambda text: check_window(Window("allow", "@daily", 1.0, text)),
    VERSION: Target,
}
_NAMES = {"str": "text", "bool": "true or false", "int": "a whole number", "float": "a number", "dict": "a map"}


def _is_needed(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"text {value!r}" if len(value) < 40 else "text"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a map"


def folder_application(folder: str, name: str, namespace: str) -> Application:
    """The Application that `gitops sync PATH --name NAME --namespace NAMESPACE` stands for.

    It lives in its destination, so that one name in two namespaces is two Applications.
    """
    from gitops.model.application import Destination, SyncOptions

    return Application(
        name=check_name(name, "--name"),
        namespace=namespace,
        source=SourceSpec(repoURL="", path=folder),
        destination=Destination(namespace=check_name(namespace, "--namespace")),
        sync=SyncOptions(createNamespace=True),
    )


def actor() -> str:
    """Who acts: the CI system's word for a person, else the login name and host."""
    import getpass
    import socket

    names = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR", "CIRCLE_USERNAME", "BUILDKITE_BUILD_CREATOR")
    for name in names:
        if os.environ.get(name):
            return f"{os.environ[name]} ({name.partition('_')[0].lower()})"
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
