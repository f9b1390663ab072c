"""Plain manifests: every YAML and JSON file below the path, as it is.

Files are read in the order of their paths, documents in the order of their file.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml import read_manifests
from gitops.model.errors import RenderError
from gitops.model.plain_options import PlainOptions
from gitops.model.revision import Tree, normalise, within
from renderers.decryption import opened
from renderers.files import files_below, matcher, may_hold
from renderers.result import Context, Rendered

if TYPE_CHECKING:
    from gitops.model.application import SourceSpec

_ENDINGS: Final = (".yaml", ".yml", ".json")


def render(tree: Tree, spec: "SourceSpec", context: Context) -> Rendered:
    """The manifests of all files that `spec.plain` takes.

    Raises RenderError when it takes none, or those of a submodule.
    """
    return render_files(tree, normalise(spec.path), spec.plain, context)


def render_files(tree: Tree, path: str, options: PlainOptions, context: Context) -> Rendered:
    """The same for a normalised path that no Application says more about."""
    if tree.kind(path) == "file":
        return Rendered("plain", read_file(tree, path, context))
    taken = select(list(files_below(tree, path, options.recurse, wanted_of(options))), options)
    if not taken:
        raise RenderError(
            f"{tree.shown(path)}: nothing to render there (no .yaml, .yml or .json file{_limits(options)})"
        )
    manifests: list[Manifest] = []
    for name in taken:
        manifests.extend(read_file(tree, within(path, name), context))
    return Rendered("plain", tuple(manifests))


def read_file(tree: Tree, path: str, context: Context) -> tuple[Manifest, ...]:
    """The manifests of one file, decrypted where the Application asks for that."""
    tree.check_at_home(path)
    name = tree.shown(path)
    return read_manifests(opened(context.decrypt, tree.read(path), name, "manifests"), name)


def select(names: list[str], options: PlainOptions) -> list[str]:
    """The names (relative paths) that end like manifests, fit `include` if it is given, and do not fit `exclude`."""
    include, exclude = matcher(options.include or "**"), matcher(options.exclude)
    return [name for name in names if name.endswith(_ENDINGS) and include(name) and not exclude(name)]


def wanted_of(options: PlainOptions) -> Callable[[str], bool]:
    """Whether a folder may hold files that `include` and `exclude` leave in."""
    exclude = matcher(options.exclude)

    def wanted(folder: str) -> bool:
        is_out = exclude(folder) or all(exclude(f"{folder}/_/_{ending}") for ending in _ENDINGS)
        return not is_out and may_hold(options.include or "**", folder)

    return wanted


def _limits(options: PlainOptions) -> str:
    told = [f"include {options.include}"] if options.include else []
    told += [f"exclude {options.exclude}"] if options.exclude else []
    return f" within {', '.join(told)}" if told else ""
