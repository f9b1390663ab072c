"""Which files of a tree belong to an Application: walking a folder, and globs.

Hidden files and folders (`.github/`) are left out, and a link to a folder is not entered, so a walk always ends.
"""

import re
from collections.abc import Callable, Iterator

from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import OF_ANOTHER, Tree, within
from renderers.expressions import compiled


def _never(_: str) -> bool:
    return False


def files_below(
    tree: Tree, directory: str, recurse: bool = True, wants: Callable[[str], bool] = _never, below: str = ""
) -> Iterator[str]:
    """The files under `directory`, as paths relative to it, sorted; a link to a file counts as that file.

    A folder of another repository (a submodule) has none; RenderError when `wants` says of its path that it may hold
    what is wanted. Only what is under the folder `below` is given, if that is named.
    """
    for entry in tree.entries(within(directory, below) if below else directory):
        name = within(below, entry.name)
        path = within(directory, name)
        if entry.name.startswith("."):
            continue
        if entry.kind == "directory" and recurse:
            yield from files_below(tree, directory, recurse, wants, name)
        elif entry.kind in OF_ANOTHER and recurse and wants(name):
            raise RenderError(
                f"{tree.shown(path)}: is {OF_ANOTHER[entry.kind]}, whose files are not read "
                f'(add "{name}/**" to plain.exclude, or render it from its own repository)'
            )
        elif entry.kind == "file" or (entry.kind == "link" and _leads_to_file(tree, path)):
            yield name


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
    expressions = [compiled(_expression(glob)) for glob in _globs(patterns)]
    return lambda path: any(found.fullmatch(path.encode(errors="replace").decode()) for found in expressions)


def may_hold(patterns: str, folder: str) -> bool:
    """Whether any of these globs may fit a path below `folder`."""
    return any(_reaches_below(glob, folder.split("/")) for glob in _globs(patterns))


def _globs(patterns: str) -> list[str]:
    return [glob for glob in (each.strip() for each in patterns.split(",")) if glob]


def _reaches_below(glob: str, names: list[str]) -> bool:
    if "/" not in glob.rstrip("/"):  # it fits in any folder
        return True
    parts = glob.strip("/").removeprefix("./").split("/")
    for part, name in zip(parts, names, strict=False):
        if "**" in part:
            return True
        if not matcher(part)(name):
            return False
    return len(parts) > len(names) or glob.endswith("/")


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
    return "(?s)" + text + ("/.*" if folder else "")  # a name may hold an end of line
