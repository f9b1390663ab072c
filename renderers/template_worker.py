"""The process that fills in templates: a job and files come in on stdin, texts go out on stdout, a JSON line each.

    in   {"templates": [path, …], "values": {…}, "app": {…}}
    out  {"starts": path}, then any number of {"file": name, "from": path}, each answered by
    in   {"path": path, "source": text} or {"error": why}
    out  {"text": text}, or {"error": "template:line: why"} and the end

The process limits itself before it sees a template: CPU seconds, memory, no new processes, no files. What Jinja's
sandbox lets through can waste no more than that.
"""

import base64
import json
import os
import resource
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gitops.manifests.yaml_write import write_document

CPU_SECONDS: Final = 10
MEMORY_BYTES: Final = 512 * 1024 * 1024
OUTPUT_BYTES: Final = 16 * 1024 * 1024

# Tells the templates' frames in a traceback from ours.
_MARK: Final = "template of the tree: "


class _Failed(Exception):
    """A template cannot be filled in; the text names it and the line."""


class _TooMuch(Exception):
    """The output has no end."""


def main() -> None:
    """Do one job."""
    job = json.loads(sys.stdin.readline())
    _limit()
    try:
        _do(job)
    except _Failed as error:
        _say({"error": str(error)})


def _limit() -> None:
    os.nice(10)  # whoever waits for this is in less of a hurry than the rest
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _do(job: dict[str, Any]) -> None:
    values, app = job["values"], job["app"]
    environment = _Environment(_paths(values, "values") | _paths(app, "app"))
    for path in job["templates"]:
        _say({"starts": path})
        _say({"text": _fill_in(environment, path, {**values, "values": values, "app": app})})


def _fill_in(environment: Environment, path: str, names: dict[str, Any]) -> str:
    try:
        pieces: list[str] = []
        size = 0
        for piece in environment.get_template("/" + path).generate(names):
            pieces.append(piece)
            size += len(piece)
            if size > OUTPUT_BYTES:
                raise _TooMuch(f"more than {OUTPUT_BYTES // 2**20} MiB come out of it")
        return "".join(pieces)
    except TemplateSyntaxError as error:
        name = (error.filename or path).removeprefix(_MARK)
        raise _Failed(f"{name}:{error.lineno}: {error.message}") from error
    except TemplateNotFound as error:
        raise _Failed(f"{_place(error.__traceback__, path)}: cannot include {error.message}") from error
    except SecurityError as error:
        raise _Failed(f"{_place(error.__traceback__, path)}: not allowed in a template: {error}") from error
    except TemplateError as error:
        raise _Failed(f"{_place(error.__traceback__, path)}: {error.message}") from error
    except MemoryError as error:
        raise _Failed(f"{_place(error.__traceback__, path)}: needs more memory than a template may have") from error
    except Exception as error:
        raise _Failed(f"{_place(error.__traceback__, path)}: {str(error) or type(error).__name__}") from error


def _place(traceback: TracebackType | None, path: str) -> str:
    """`template:line` of the innermost template in a traceback (Jinja puts their names and lines there)."""
    place = f"{path}:1"
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if name.startswith(_MARK):
            place = f"{name.removeprefix(_MARK)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


# ── Jinja ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Loader(BaseLoader):
    """Asks the other process for files; a name is `path-of-the-asking-template\\0name`, or `/path` for the first."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        parent, _, name = template.rpartition("\0")
        _say({"file": name, "from": parent})
        answer = json.loads(sys.stdin.readline())
        if "error" in answer:
            raise TemplateNotFound(template, answer["error"])
        self.paths[template] = answer["path"]
        return answer["source"], _MARK + answer["path"], lambda: True


class _Environment(ImmutableSandboxedEnvironment):
    """Strict, sandboxed, no autoescape; `include` is relative to the file that it stands in."""

    def __init__(self, paths: dict[int, str]) -> None:
        super().__init__(
            undefined=StrictUndefined,
            loader=(loader := _Loader()),
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self._paths = paths
        self._loader = loader
        self.filters |= FILTERS
        for name in ("pprint", "random", "urlize", "xmlattr"):
            self.filters.pop(name, None)

    def join_path(self, template: str, parent: str) -> str:
        return f"{self._loader.paths.get(parent, '')}\0{template}"

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self._of_dict(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, dict) and isinstance(argument, str):
            return obj[argument] if argument in obj else self._missing(obj, argument)
        return super().getitem(obj, argument)

    def _of_dict(self, obj: dict[str, Any], attribute: str) -> Any:
        """A method such as `items`, else a missing key."""
        found = super().getattr(obj, attribute)
        return self._missing(obj, attribute) if isinstance(found, StrictUndefined) else found

    def _missing(self, obj: dict[str, Any], name: str) -> Any:
        path = self._paths.get(id(obj))
        where = f"{path}.{name}" if path else name
        return self.undefined(f"{where} is not set", obj=obj, name=name)


def _paths(value: Any, path: str) -> dict[int, str]:
    """The way to every map among the values, by the map's identity."""
    found: dict[int, str] = {}
    if isinstance(value, dict):
        found[id(value)] = path
        for key, child in value.items():
            found |= _paths(child, f"{path}.{key}")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            found |= _paths(child, f"{path}[{number}]")
    return found


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────


def to_yaml(value: Any) -> str:
    """YAML without its last newline, so that `nindent` can follow."""
    return (
        write_document(_known(value)).removesuffix("\n") if not isinstance(value, str | int | float) else _leaf(value)
    )


def _leaf(value: Any) -> str:
    return write_document({"v": value}).removesuffix("\n").removeprefix("v: ")


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON on one line, or indented."""
    return json.dumps(_known(value), indent=indent, ensure_ascii=False)


def _known(value: Any) -> Any:
    """`value`, after the check that it is set (an undefined value raises when it is used)."""
    str(value) if isinstance(value, StrictUndefined) else None
    return value


def indent(text: Any, width: int = 4, first: bool = False) -> str:
    """Every line but the first (or all) moved right by `width` spaces; empty lines stay empty."""
    margin = " " * _width(width)
    lines = [margin + line if line.strip() else line for line in str(text).split("\n")]
    if not first and lines:
        lines[0] = str(text).split("\n", 1)[0]
    return "\n".join(lines)


def nindent(text: Any, width: int = 4) -> str:
    """A new line, and then every line moved right by `width` spaces."""
    return "\n" + indent(text, width, first=True)


def _width(width: int) -> int:
    if not 0 <= int(width) <= 1000:
        raise ValueError(f"an indentation of {width} is out of bounds")
    return int(width)


def b64encode(text: Any) -> str:
    """Base64 of a text's UTF-8."""
    return base64.b64encode(str(text).encode()).decode()


def b64decode(text: Any) -> str:
    """The text that base64 stands for."""
    return base64.b64decode(str(text)).decode("utf-8", "replace")


def quote(value: Any) -> str:
    """A text in double quotes, escaped as JSON and YAML both read it."""
    return json.dumps(str(value) if not isinstance(value, bool) else str(value).lower(), ensure_ascii=False)


def squote(value: Any) -> str:
    """A text in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "to_yaml": to_yaml,
    "toyaml": to_yaml,
    "to_json": to_json,
    "tojson": to_json,
    "indent": indent,
    "nindent": nindent,
    "b64encode": b64encode,
    "b64decode": b64decode,
    "quote": quote,
    "squote": squote,
}

if __name__ == "__main__":
    main()
