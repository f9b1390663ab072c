"""Where a Git work tree begins, whether it may be read, and where its submodules are; no program is started for most.

Not here: reading a work tree (`work_tree`).
"""

import os
from pathlib import Path

from gitops.adapters.file_names import shown
from gitops.model.errors import SourceError


def submodules_of(top: Path) -> frozenset[str]:
    """Where the `.gitmodules` of a work tree says that submodules are."""
    file = top / ".gitmodules"
    if not file.is_file():
        return frozenset()
    from gitops.adapters.git_process import GitFailure, GitProcess

    arguments = ["config", "--file", str(file), "--null", "--get-regexp", r"^submodule\..*\.path$"]
    try:
        listing = GitProcess().run(arguments, Path("/"), 10.0)
    except GitFailure:  # none is there, or nobody can read it
        return frozenset()
    return frozenset(shown(item.partition(b"\n")[2]).rstrip("/") for item in listing.split(b"\0"))


def work_tree_of(folder: Path) -> Path | None:
    """The top of the Git work tree that `folder` is in; None outside of any."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def owned_work_tree_of(folder: Path) -> Path | None:
    """The same; None also for one that belongs to another user."""
    top = work_tree_of(folder)
    if top is None:
        return None
    try:
        for part in (top, top / ".git"):
            check_owner(part, top)
    except SourceError:
        return None
    return top


def check_owner(place: Path, top: Path) -> None:
    """Raise SourceError for what belongs to another user, unless the user's own Git says that it is safe."""
    try:
        owner = place.stat().st_uid
    except OSError as error:
        raise SourceError(f"{place}: cannot be read ({error.strerror})") from error
    user = os.geteuid()
    by_sudo = os.environ.get("SUDO_UID", "") if user == 0 else ""
    if owner == user or str(owner) == by_sudo or _is_called_safe(top):
        return
    raise SourceError(
        f"{place}: belongs to another user (uid {owner}), so nothing of this repository is read; if you trust it: "
        f"git config --global --add safe.directory {top}"
    )


def _is_called_safe(top: Path) -> bool:
    """Whether `safe.directory` of this user or this machine names the work tree; a repository cannot say it of itself.

    The last empty entry forgets those before it, `*` is every one, and `PARENT/*` all below PARENT, as Git 2.46 has it.
    """
    home = os.environ.get("HOME") or os.path.expanduser("~")
    settings = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    from gitops.adapters.git_process import GitFailure, GitProcess

    git = GitProcess()
    safe: list[str] = []
    for file in ("/etc/gitconfig", f"{settings}/git/config", f"{home}/.gitconfig"):
        arguments = ["config", "--file", file, "--includes", "--null", "--get-all", "safe.directory"]
        try:
            listing = git.run(arguments, Path("/"), 10.0) if os.path.isfile(file) else b""
        except GitFailure:
            continue
        for item in listing.split(b"\0")[:-1]:
            safe = [*safe, os.fsdecode(item)] if item else []
    names = {str(top), str(top.resolve())}
    return any(
        entry == "*" or entry in names or (entry.endswith("/*") and str(top).startswith(entry[:-1])) for entry in safe
    )
