"""The `gitops` command as it is installed: `gitops render PATH` at once, everything else through `main`.

CI renders paths by the thousand, and half of such a run would go into importing the option parser; so the plain form
of that one command (a path, `--load-restrictor`, `--enable-helm`) is read here. What is not plain is left to `main`,
which gives the same results.
"""

import os
import sys
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, NamedTuple

_RESTRICTORS = {"LoadRestrictionsRootOnly": False, "LoadRestrictionsNone": True}


class PlainRender(NamedTuple):
    """What a plain `gitops render` asks for."""

    path: str
    unrestricted: bool
    enable_helm: bool


def main() -> None:
    """Run the command that the arguments name."""
    wanted = read_plain_render(sys.argv[1:])
    if wanted is None:
        from gitops.cli.main import main as with_options

        with_options()
        return
    code = _render(wanted)
    sys.stderr.flush()
    # Nothing is left to be closed, and taking a big build apart object by object takes longer than making it.
    os._exit(code)


def read_plain_render(arguments: list[str]) -> PlainRender | None:
    """`render PATH` with no other options than Kustomize's; None for anything else."""
    if not arguments or arguments[0] != "render":
        return None
    path, restrictor, enable_helm = "", "LoadRestrictionsRootOnly", False
    words = iter(arguments[1:])
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--load-restrictor":
            restrictor = value if equals else next(words, "")
        elif word == "--enable-helm":
            enable_helm = True
        elif word.startswith("-") or path or not word:
            return None
        else:
            path = word
    is_chart = path.startswith("oci://") or os.path.exists(os.path.join(path, "Chart.yaml"))
    if not path or restrictor not in _RESTRICTORS or is_chart:
        return None  # a chart's manifests are printed as Helm prints them
    return PlainRender(path, _RESTRICTORS[restrictor], enable_helm)


def _load_later(*names: str) -> None:
    """Have modules that others import (dataclasses, urllib) loaded once something in them is used: here, nothing is."""
    for name in names:
        if name not in sys.modules:
            module = ModuleType(name)
            module.__getattr__ = partial(_loaded, module)  # type: ignore[method-assign]
            sys.modules[name] = module


def _loaded(module: ModuleType, attribute: str) -> Any:
    """The attribute of the module that `module` stands for, which is loaded in its place."""
    sys.modules.pop(module.__name__, None)
    found = import_module(module.__name__)
    module.__dict__.update(found.__dict__)
    return getattr(found, attribute)


def _render(wanted: PlainRender) -> int:
    import gc

    gc.disable()
    _load_later("inspect", "ipaddress")
    from gitops.adapters.folder import folder_tree
    from gitops.cli.escape import chance_warning, printable_lines
    from gitops.manifests.errors import GitopsError
    from gitops.manifests.yaml_write import write_manifests
    from renderers.registry import Context, Rendered, render_path

    try:
        tree, path = folder_tree(wanted.path)
        restrictor: Literal["root", "none"] = "none" if wanted.unrestricted else "root"
        context = Context(load_restrictor=restrictor, enable_helm=wanted.enable_helm)
        answer = render_path(tree, path or ".", context)
        if not isinstance(answer, Rendered):
            from gitops.rendering import render_path as with_others

            answer = with_others(tree, path or ".", load_restrictor=restrictor, enable_helm=wanted.enable_helm)
    except GitopsError as error:
        print(f"Error: {printable_lines(error)}", file=sys.stderr)
        return 2
    if answer.chance:
        print(chance_warning(answer.chance), file=sys.stderr)
    try:
        sys.stdout.buffer.write(write_manifests([manifest.body for manifest in answer.manifests]).encode())
        sys.stdout.flush()
    except BrokenPipeError:
        return 0  # `gitops render . | head`: whoever reads has seen enough
    return 0
