"""Where in which template something happens, for messages as Go writes them."""

from collections.abc import Callable

from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.nodes import Node, Parsed


def place_of(parsed: Parsed, at: int) -> str:
    """File, line from 1 and the byte in the line from 0, as Go counts."""
    before = parsed.source[:at]
    start = before.rfind("\n") + 1
    return f"{parsed.file}:{before.count(chr(10)) + 1}:{len(before[start:].encode('utf-8', 'surrogateescape'))}"


def failure(parsed: Parsed, node: Node) -> Callable[[str], TemplateError]:
    """Makes errors of what goes wrong at this node."""

    def made(message: str) -> TemplateError:
        return TemplateError(f'template: {place_of(parsed, node.at)}: executing "{parsed.name}" at <{node}>: {message}')

    return made
