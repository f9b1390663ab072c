"""The `gitops` command as it is installed: `gitops render PATH` at once, everything else through `main`.

CI renders paths by the thousand, and half of such a run would go into importing the option parser; so the plain forms
of that one command (a path with `--load-restrictor` and `--enable-helm`, a chart with the options of `helm template`)
are read here. What is not plain is left to `main`, which gives the same results.
"""

import gc
import os
import sys
from _thread import RLock  # as `threading` has it, which takes a millisecond to load
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, NamedTuple

_CHART_FLAGS = ("--include-crds", "--skip-tests", "--skip-schema-validation")
_LOADING = RLock()
_RESTRICTORS = {"LoadRestrictionsRootOnly": False, "LoadRestrictionsNone": True}


class PlainRender(NamedTuple):
    """What a plain `gitops render` asks for; `given` are the chart's options by their keys, None where none was."""

    path: str
    unrestricted: bool = False
    enable_helm: bool = False
    given: dict[str, Any] | None = None


def main() -> None:
    """Run the command that the arguments name."""
    if sys.argv[1:2] == ["render"]:
        _be_quick()
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
    """`render PATH` with options of Kustomize or, where a chart is, of `helm template`; None for anything else."""
    if not arguments or arguments[0] != "render":
        return None
    path, restrictor, enable_helm = "", "LoadRestrictionsRootOnly", False
    others: list[str] = []
    words = iter(arguments[1:])
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--load-restrictor":
            restrictor = value if equals else next(words, "")
        elif word == "--enable-helm":
            enable_helm = True
        elif word.startswith("-"):
            others.append(word)
            if not equals and name not in _CHART_FLAGS:
                others.append(next(words, ""))
        elif path or not word:
            return None
        else:
            path = word
    if not path or restrictor not in _RESTRICTORS or path.startswith("oci://"):
        return None
    plain = PlainRender(path, _RESTRICTORS[restrictor], enable_helm)
    if not os.path.isfile(os.path.join(path, "Chart.yaml")):
        return None if others else plain
    from gitops.cli.chart_request import read_options

    given = read_options(others)
    return None if given is None else plain._replace(given=given)


def _be_quick() -> None:
    """One short run: nothing that it makes could be let go before its end. A tenth of the time is saved."""
    gc.disable()
    _load_later("hashlib", "inspect", "ipaddress")


def _load_later(*names: str) -> None:
    """Have modules that others import (dataclasses, urllib) loaded once something in them is used: here, nothing is."""
    for name in names:
        if name not in sys.modules:
            module = ModuleType(name)
            module.__getattr__ = partial(_loaded, module)  # type: ignore[method-assign]
            sys.modules[name] = module


def _loaded(module: ModuleType, attribute: str) -> Any:
    """The attribute of the module that `module` stands for, which is loaded in its place by the first who asks."""
    with _LOADING:
        if sys.modules.get(module.__name__) is module:
            del sys.modules[module.__name__]
        found = import_module(module.__name__)
        module.__dict__.update(found.__dict__)
    return getattr(found, attribute)


def _render(wanted: PlainRender) -> int:
    from gitops.cli.escape import chance_warning, printable_lines
    from gitops.manifests.errors import GitopsError

    try:
        data, chance = _kustomized(wanted) if wanted.given is None else _templated(wanted.path, wanted.given)
    except GitopsError as error:
        print(f"Error: {printable_lines(error)}", file=sys.stderr)
        return 2
    if chance:
        print(chance_warning(chance), file=sys.stderr)
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        return 0  # `gitops render . | head`: whoever reads has seen enough
    return 0


def _kustomized(wanted: PlainRender) -> tuple[bytes, tuple[str, ...]]:
    from gitops.adapters.folder import folder_tree
    from gitops.manifests.yaml_write import write_manifests
    from renderers.registry import Context, Rendered, render_path

    tree, path = folder_tree(wanted.path)
    restrictor: Literal["root", "none"] = "none" if wanted.unrestricted else "root"
    context = Context(load_restrictor=restrictor, enable_helm=wanted.enable_helm)
    answer = render_path(tree, path or ".", context)
    if not isinstance(answer, Rendered):
        from gitops.rendering import render_path as with_others

        answer = with_others(tree, path or ".", load_restrictor=restrictor, enable_helm=wanted.enable_helm)
    return write_manifests([manifest.body for manifest in answer.manifests]).encode(), answer.chance


def _templated(path: str, given: dict[str, Any]) -> tuple[bytes, tuple[str, ...]]:
    from gitops.adapters.folder import folder_tree
    from gitops.cli.chart_request import ChartRequest

    output = ChartRequest(*folder_tree(path), given["files"], given).output()
    return output.text.encode("utf-8", "surrogateescape"), output.chance
