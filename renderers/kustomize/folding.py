"""Blocks (`|`, `>`) that Kustomize has printed and read again: go-yaml's folding is not the inverse of its reading.

Printed with no limit to the width, a line break becomes two where a line stands on each side of it, neither of which
begins with a space; which one begins so is not always seen. The rules are those of go-yaml 3's emitter.
"""

from functools import lru_cache
from typing import Final

from gitops.manifests.libyaml import CParser, ScalarEvent
from gitops.manifests.yaml_write import is_printable
from gitops.model.errors import RenderError

_BREAKS: Final = "\n\u2028\u2029"
_BLANKS: Final = " \t"


def read_back(text: str, folded: bool) -> str:
    """What a literal or folded scalar of this text is once it was printed and read; RenderError when it cannot be."""
    if text[:1] == "\t" and _may_be_block(text):
        raise RenderError(f"the block `{text[:30]!r}` begins with a tab, which cannot be read back (use double quotes)")
    if not folded or not any(each in text for each in _BREAKS) or not _may_be_block(text):
        return text  # a single line stays one; what no block may hold is printed in double quotes
    return _refolded(text)


@lru_cache(maxsize=4096)
def _refolded(text: str) -> str:
    parser = CParser(_printed(text))
    while True:
        event = parser.get_event()
        if type(event) is ScalarEvent and event.style == ">":
            value: str = event.value
            return value


def _may_be_block(text: str) -> bool:
    """Whether go-yaml 3 prints a text as a block: tabs may be in it, no break may follow a space."""
    after_space = any(" " + each in text for each in _BREAKS)
    return not after_space and text[-1] != " " and is_printable(text.replace("\t", ""))


def _printed(text: str) -> str:
    """A map with the text as a folded block."""
    # Whether breaks are doubled at all is decided by how the whole text begins.
    start = text.lstrip(_BREAKS)
    doubles = bool(start) and start[0] not in _BLANKS
    out = ["a: >", _hints(text), "\n"]
    after_break, leading_space = True, True
    for each in text:
        if each in _BREAKS:
            if each == "\n" and not after_break and not leading_space and doubles:
                out.append("\n")
            out.append(each)
            after_break = True
            continue
        if after_break:
            out.append("  ")
            leading_space = each in _BLANKS
        out.append(each)
        after_break = False
    if not after_break:
        out.append("\n")
    return "".join(out)


def _hints(text: str) -> str:
    """Indentation and chomping as the first line of the block says them."""
    indentation = "2" if text[0] == " " or text[0] in _BREAKS else ""
    if text[-1] not in _BREAKS:
        return indentation + "-"
    return indentation + ("+" if len(text) == 1 or text[-2] in _BREAKS else "")
