"""libyaml's parser, as PyYAML binds it, without the rest of PyYAML.

PyYAML's own reader in Python takes a tenth of a short run to load, and nobody here reads with it. So where the package
is not loaded yet, its binding is loaded beside stand-ins for the modules of which it takes an exception each; after
that the package can be imported as ever, and has the same events and the same `YAMLError`.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from yaml import YAMLError
    from yaml._yaml import CParser

__all__ = [
    "AliasEvent",
    "CParser",
    "CollectionStartEvent",
    "DocumentEndEvent",
    "DocumentStartEvent",
    "MappingEndEvent",
    "MappingStartEvent",
    "ScalarEvent",
    "SequenceEndEvent",
    "SequenceStartEvent",
    "StreamEndEvent",
    "YAMLError",
    "go_events",
]

# The exceptions that the binding takes from modules in Python.
_ERRORS: Final = ("Reader", "Scanner", "Parser", "Composer", "Constructor", "Emitter", "Serializer", "Representer")
_LIGHT: Final = ("error", "nodes", "tokens", "events")


def _binding() -> tuple[Any, Any]:
    """The parser, and what it raises."""
    spec = PathFinder.find_spec("yaml") if "yaml" not in sys.modules else None
    if spec is None or spec.submodule_search_locations is None:
        return import_module("yaml._yaml").CParser, import_module("yaml.error").YAMLError
    package = ModuleType("yaml")
    package.__path__ = list(spec.submodule_search_locations)
    stand_ins = {"yaml": package}
    sys.modules["yaml"] = package
    try:
        for name in _LIGHT:
            setattr(package, name, import_module(f"yaml.{name}"))
        error = sys.modules["yaml.error"]
        for name in _ERRORS:
            module = ModuleType(f"yaml.{name.lower()}")
            setattr(module, f"{name}Error", _stand_in(f"{name}Error", error))
            setattr(package, name.lower(), module)
            stand_ins[module.__name__] = sys.modules[module.__name__] = module
        return import_module("yaml._yaml").CParser, error.YAMLError
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


def _stand_in(name: str, error: ModuleType) -> type[Exception]:
    """An exception of PyYAML with what those who catch it look at."""
    if name == "ReaderError":
        return type(name, (error.YAMLError,), {"__init__": _tell_reader, "__str__": lambda self: self.reason})
    unmarked = ("EmitterError", "SerializerError", "RepresenterError")
    return type(name, (error.YAMLError if name in unmarked else error.MarkedYAMLError,), {})


def _tell_reader(self: Any, name: str, position: int, character: Any, encoding: str, reason: str) -> None:
    self.name, self.position, self.character, self.encoding, self.reason = name, position, character, encoding, reason


if not TYPE_CHECKING:
    CParser, YAMLError = _binding()

from yaml.events import (  # noqa: E402 - the package is not loaded by it any more
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

# A character of private use that stands for a colon.
_COLON: Final = "\ue001"
_MOST_COLONS, _MOST_WORK = 100, 20_000_000


def go_events(text: str, error: Exception) -> tuple[str, Callable[[], Any]] | None:
    """The events of a text at which libyaml failed with `error`, where go-yaml does not fail; and the text read for it.

    In `[a:, b]` a colon that no space follows is part of what stands before it to go-yaml (`a:`), and an error to
    libyaml. The marks of the events are right; None for any other error.
    """
    left = min(_MOST_COLONS, _MOST_WORK // (len(text) + 1))
    read = text
    while left and _COLON not in text and getattr(error, "problem", "") == "found unexpected ':'":
        left -= 1
        at = error.problem_mark.index  # type: ignore[attr-defined]
        if read[at : at + 1] != ":" or read[at + 1 : at + 2] == "?":  # which ends a text to both
            return None
        read = f"{read[:at]}{_COLON}{read[at + 1 :]}"
        try:
            following = CParser(read).get_event
            while type(following()) is not StreamEndEvent:
                pass
        except YAMLError as other:
            error = other
            continue
        break
    return None if read is text else (read, partial(_with_colons, CParser(read).get_event))


def _with_colons(following: Callable[[], Any]) -> Any:
    event = following()
    if type(event) is ScalarEvent and _COLON in event.value:
        event.value = event.value.replace(_COLON, ":")
    return event
