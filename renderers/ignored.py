"""Files that are taken as if they were not there: those that `source.ignore` and Flux's .sourceignore name.

Lines are as in .gitignore, read as Flux reads them (fluxcd/pkg sourceignore): the last line that fits decides, also
for a file in a folder that an earlier line names.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from gitops.model.errors import RenderError
from gitops.model.revision import Entry, Node, Tree, within
from renderers.expressions import compiled

FILE: Final = ".sourceignore"
_OF_GIT: Final = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
# What Flux leaves out where nobody says more.
_BY_DEFAULT: Final = (
    *("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"),
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml"),
    *("cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml"),
    *("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml"),
)
_CLASS: Final = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]")


class Line(NamedTuple):
    """One line, for paths relative to the folder `home`."""

    home: tuple[str, ...]
    parts: tuple[str, ...]
    keeps: bool
    of_folders: bool

    def decides(self, path: Sequence[str]) -> bool | None:
        """Whether the file at `path` is ignored; None where the line says nothing of it."""
        if len(path) <= len(self.home) or tuple(path[: len(self.home)]) != self.home:
            return None
        below = path[len(self.home) :]
        fits = _fits_path(self.parts, below, self.of_folders) if len(self.parts) > 1 else self._fits_name(below)
        return (not self.keeps) if fits else None

    def _fits_name(self, path: Sequence[str]) -> bool:
        """Whether a name on the way fits; a line for folders is not about the file itself."""
        found = next((number for number, name in enumerate(path) if _fits(self.parts[0], name)), None)
        return found is not None and not (self.of_folders and found == len(path) - 1)


def lines_of(text: str, home: str = "") -> list[Line]:
    """The lines of a file in the folder `home`."""
    found: list[Line] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        keeps, line = line.startswith("!"), line.removeprefix("!")
        line = line if line.endswith("\\ ") else line.rstrip(" ")
        of_folders, line = line.endswith("/"), line.removesuffix("/")
        found.append(Line(tuple(home.split("/")) if home else (), tuple(line.split("/")), keeps, of_folders))
    return found


def without_ignored(tree: Tree, ignore: str, *, as_flux: bool) -> Tree:
    """A view of the tree without the files that are ignored; what it is asked is recorded in the tree itself.

    `as_flux` reads .sourceignore in every folder, and leaves out by default what Flux does.
    """
    return Tree(_KeptFiles(tree, lines_of(ignore), as_flux=as_flux), tree.label, tree.home)


class _KeptFiles:
    """`gitops.model.revision.Files` of another tree, without some of them."""

    def __init__(self, tree: Tree, lines: list[Line], *, as_flux: bool) -> None:
        self._tree = tree
        self._lines = lines
        self._as_flux = as_flux
        self._of_folder: dict[str, list[Line]] = {}

    def node(self, path: str) -> Node | None:
        found = self._tree.files.node(path)
        if found is not None and found.kind != "directory" and self._is_ignored(path):
            return None
        self._tree.kind(path)
        return found

    def entries(self, path: str) -> Iterable[Entry]:
        found = self._tree.entries(path)
        return [each for each in found if each.kind == "directory" or not self._is_ignored(within(path, each.name))]

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        return self._tree.read(path), ""

    def _is_ignored(self, path: str) -> bool:
        parts = path.split("/")
        lines = self._lines
        if self._as_flux:
            folders = ["/".join(parts[:depth]) for depth in range(len(parts))]
            lines = [line for folder in folders for line in self._said_in(folder)] + lines
            lines = [*_GIT_LINES, *(lines or _DEFAULT_LINES)]
        for line in reversed(lines):
            decided = line.decides(parts)
            if decided is not None:
                return decided
        return False

    def _said_in(self, folder: str) -> list[Line]:
        if folder not in self._of_folder:
            path = within(folder, FILE)
            is_there = self._tree.kind(path) == "file"
            text = self._tree.read(path).decode("utf-8", "replace") if is_there else ""
            self._of_folder[folder] = lines_of(text, folder)
        return self._of_folder[folder]


_GIT_LINES: Final = lines_of("\n".join(_OF_GIT))
_DEFAULT_LINES: Final = lines_of("\n".join(_BY_DEFAULT))


def _fits_path(parts: Sequence[str], path: Sequence[str], of_folders: bool) -> bool:
    """A line with a slash in it: it begins at its folder, and `**` stands for any folders."""
    left, matched, anywhere = list(path), False, False
    for number, part in enumerate(parts):
        if part == "":
            anywhere = False
        elif part == "**":
            if number == len(parts) - 1:
                break
            anywhere = True
        elif "**" in part or not left:
            return False
        else:
            found = next((at for at, name in enumerate(left if anywhere else left[:1]) if _fits(part, name)), None)
            if found is None and not anywhere:
                return False
            matched, left, anywhere = found is not None, left[found + 1 :] if found is not None else [], False
    return matched and bool(left or not of_folders)


def _fits(glob: str, name: str) -> bool:
    expression = _expression(glob)
    return expression is not None and expression.fullmatch(name.encode(errors="replace").decode()) is not None


@lru_cache(maxsize=4096)
def _expression(glob: str) -> Any:
    """A glob for one name, as Go's filepath.Match has it; None for one that is malformed, which fits nothing."""
    text, at = "", 0
    while at < len(glob):
        mark = glob[at]
        if mark == "[":
            found = _CLASS.match(glob, at)
            if found is None:
                return None
            text, at = text + found.group(), found.end()
            continue
        if mark == "\\":
            at += 1
            if at == len(glob):
                return None
            mark = glob[at]
            text += re.escape(mark)
        else:
            text += {"*": ".*", "?": "."}.get(mark) or re.escape(mark)
        at += 1
    try:
        return compiled(f"(?s){text}")
    except RenderError:
        return None
