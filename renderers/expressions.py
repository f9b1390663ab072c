"""Regular expressions of repositories, in RE2: their time is linear in the text."""

from typing import Any

from gitops.model.errors import RenderError

_COMPILED: dict[str, Any] = {}


def compiled(text: str) -> Any:
    """A regular expression in Go's syntax; raises RenderError."""
    found = _COMPILED.get(text)
    if found is None:
        import re2

        options = re2.Options()
        options.log_errors = False
        try:
            found = re2.compile(text, options)
        except re2.error as error:
            raise RenderError(f"`{text}` is not a regular expression: {error}") from error
        if len(_COMPILED) > 2000:
            _COMPILED.clear()
        _COMPILED[text] = found
    return found
