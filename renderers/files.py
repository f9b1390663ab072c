"""Which files of a tree belong to an Application: walking a folder, and globs.

Hidden files and folders (`.github/`) are left out, and a link to a folder is not entered, so a walk always ends.
"""

import re
from collections.abc import Callable, Iterator

from gitops.model.errors import SourceError
from gitops.model.revision import Tree, within
from renderers.expressions import compiled


def files_below(tree: Tree, directory: str, recurse: bool = True) -> Iterator[str]:
    """The files under `directory`, as paths relative to it, sorted; a link to a file counts as that file."""
    for entry in tree.entries(directory):
        path = within(directory, entry.name)
        if entry.name.startswith("."):
            continue
        if entry.kind == "directory" and recurse:
            yield from (f"{entry.name}/{name}" for name in files_below(tree, path))
        elif entry.kind == "file" or (entry.kind == "link" and _leads_to_file(tree, path)):
            yield entry.name


def _leads_to_file(tree: Tree, path: str) -> bool:
    """Whether a link is taken for a file: one that leads nowhere, or out of the tree, is: reading it says so."""
    try:
        return tree.kind(path) != "directory"
    except SourceError:
        return True


def matcher(patterns: str) -> Callable[[str], bool]:
    """Comma-separated globs as one question of relative paths. Raises RenderError.

    `*` and `?` stay inside one name, `**` spans folders, `[ab]` is one of; a glob without `/` fits a file's name in
    any folder, and one that names a folder fits all below it.
    """
    globs = [each.strip() for each in patterns.split(",")]
    expressions = [compiled(_expression(glob)) for glob in globs if glob]
    return lambda path: any(found.fullmatch(path.encode(errors="replace").decode()) for found in expressions)


def _expression(glob: str) -> str:
    folder = glob.endswith("/")
    anchored = "/" in glob.rstrip("/")
    text = "" if anchored else "(?:.*/)?"
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", glob.strip("/").removeprefix("./"), re.DOTALL):
        match part:
            case "**/":
                text += "(?:.*/)?"
            case "**":
                text += ".*"
            case "*":
                text += "[^/]*"
            case "?":
                text += "[^/]"
            case _ if len(part) > 1:
                text += "[" + part[1:-1].replace("\\", r"\\").replace("!", "^", 1 if part[1] == "!" else 0) + "]"
            case _:
                text += re.escape(part)
    return text + ("/.*" if folder else "")
