"""`-f` with objects of Flux: the tree of what they deliver, followed from a file or a folder.

The work tree around them stands in for the GitRepository that it is a clone of, so that what is reviewed is what is
on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from gitops.cli.escape import printable
from gitops.compat.flux.answer import Answer
from gitops.compat.flux.objects import GROUPS, FluxObjects, Ref, is_of_flux, ref_of
from gitops.compat.flux.reading import read
from gitops.compat.flux.sources import SOURCE_VERSION, read_source
from gitops.compat.flux.tree import FluxTree
from gitops.config import application_of as read_body
from gitops.manifests.errors import GitopsError
from gitops.manifests.key import Body
from gitops.manifests.yaml_documents import load_all
from gitops.model.application import Application, KustomizeOptions, SourceSpec
from gitops.model.errors import ConfigError
from gitops.model.revision import Tree, normalise
from gitops.model.source_access import Credentials
from gitops.model.source_name import are_same

CHILD_KINDS: Final = frozenset((group, kind) for group, kinds in GROUPS.items() for kind in kinds)
_WITH_FILES: Final = ("GitRepository", "OCIRepository")
_AT_ONCE: Final = 8
_NOWHERE: Final = "https://here.invalid/repository"


@dataclass(frozen=True, slots=True)
class Ended:
    """How one Application of the tree ended: `code` is an exit code; `brought` are the objects it holds."""

    well: bool
    code: int
    brought: tuple[Body, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A tree, and the work tree `top` that stands in for `origin`; `told` are words for people.

    `roots` deliver the folder that was named. The files stand in for `revision` of the origin only ("" = for any): a
    tenant may have a branch of the same repository.
    """

    tree: FluxTree
    top: Path
    origin: str
    told: list[str]
    roots: frozenset[Ref]
    revision: str = ""

    def application(self, answer: Answer) -> Application:
        """The Application of an answer, of files on disk where it is of this repository. Raises ConfigError."""
        assert answer.application is not None
        try:
            app = read_body(answer.application)
        except ConfigError as exc:
            raise ConfigError(f"{answer.ref}: {exc}") from exc
        if answer.ref in self.roots and app.sync.serviceAccount:
            # It may bring the account and its rights; `flux bootstrap` applies it in the person's own name too.
            self.told.append(f"{answer.ref} is delivered in your own name, not in that of {app.sync.serviceAccount}")
            app = replace(app, sync=replace(app.sync, serviceAccount=""))
        source = app.source
        if app.sources and are_same(source.repoURL, self.origin):
            self.told.append(
                f"{answer.ref} includes other repositories: it is read from there, and not from the files here"
            )
            return app
        is_other = self.revision not in ("", source.targetRevision)
        if source.chart or is_other or not are_same(source.repoURL, self.origin):
            return app
        path = str(self.top / normalise(source.path))
        here = replace(source, repoURL="", targetRevision="", path=path, credentials=Credentials())
        return app.with_sources((here,))


def delivery_of(file: str) -> Delivery | None:
    """What -f names, where that is a folder or a file with objects of Flux. Raises ConfigError, SourceError."""
    from gitops.adapters.folder import folder_tree

    path = Path(file)
    if path.is_dir():
        tree, inside = folder_tree(path)
        bodies, is_itself = _roots(tree, inside, file)
    else:
        bodies = _of_file(path)
        if not any(is_of_flux(body) for body in bodies):
            return None
        is_itself = False
    return _delivery(bodies, path if path.is_dir() else path.resolve().parent, is_itself=is_itself)


def _delivery(bodies: list[Body], folder: Path, *, is_itself: bool) -> Delivery:
    from gitops.adapters.work_tree import WorkTree
    from gitops.adapters.work_tree_place import owned_work_tree_of

    top = owned_work_tree_of(folder.resolve())
    address, revision = _own_place(bodies) if is_itself else ("", "")
    origin = address or (WorkTree(top).origin if top is not None else "") or _NOWHERE
    told: list[str] = []

    def reads(body: Body, objects: FluxObjects) -> Answer:
        found = read(body, objects)
        if found.missing is not None and found.missing.kind == "GitRepository" and _names(body, found.missing):
            told.append(f"{found.missing} is not among the objects: the files here are taken for it")
            objects.put(_stand_in(found.missing, origin))
            found = read(body, objects)
        return found

    roots = frozenset(ref_of(body) for body in bodies if is_itself and body["kind"] == "Kustomization")
    return Delivery(FluxTree(bodies, reads), top or folder.resolve(), origin, told, roots, revision)


def _names(body: Body, source: Ref) -> bool:
    """Whether a Kustomization is made from this source, and does not only have it included."""
    reference = body["spec"].get("sourceRef") if isinstance(body.get("spec"), dict) else None
    return not isinstance(reference, dict) or reference.get("name") == source.name


def _own_place(bodies: list[Body]) -> tuple[str, str]:
    """The address and revision that a Kustomization which delivers itself names: these files are a clone of that."""
    for body in bodies:
        reference = body["spec"].get("sourceRef") if isinstance(body.get("spec"), dict) else None
        if body["kind"] == "Kustomization" and isinstance(reference, dict):
            named = (reference.get("kind"), reference.get("name"))
            for other in bodies:
                if (other["kind"], other["metadata"]["name"]) == named and named[0] in _WITH_FILES:
                    spec = read_source(other).spec
                    return spec["repoURL"], spec["targetRevision"]
    return "", ""


def _stand_in(ref: Ref, origin: str) -> Body:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": SOURCE_VERSION, "kind": ref.kind, "metadata": metadata, "spec": {"url": origin}}


def _of_file(path: Path) -> list[Body]:
    from gitops.bounds import read_file

    try:
        documents = load_all(read_file(path), str(path))
    except (OSError, ValueError, GitopsError):
        return []  # who reads an Application says what is wrong
    return [document.value for document in documents if isinstance(document.value, dict)]


def _roots(tree: Tree, folder: str, shown: str) -> tuple[list[Body], bool]:
    """What the folder holds, built as Flux builds it; or (True) the Kustomizations there that deliver the folder."""
    from gitops.rendering import render_alone

    source = SourceSpec(path=folder or ".", renderer="kustomize", kustomize=KustomizeOptions(rules="flux"))
    manifests = render_alone(tree, Application("folder", source=source)).manifests
    bodies = [manifest.body for manifest in manifests]
    ours = [body for body in bodies if is_of_flux(body)]
    if not ours:
        raise ConfigError(f"{shown}: holds no object of Flux (an Application is a file: -f FILE)")
    roots = {ref_of(body) for body in ours if body["kind"] == "Kustomization" and _delivers(body, folder)}
    if roots:
        return [body for body in ours if ref_of(body) in roots or body["kind"] != "Kustomization"], True
    if len(ours) < len(bodies):
        others = len(bodies) - len(ours)
        click.echo(f"{shown}: {others} objects are not Flux's, and no Kustomization there delivers them", err=True)
    return ours, False


def _delivers(body: Body, folder: str) -> bool:
    spec = body.get("spec")
    path = spec.get("path") if isinstance(spec, dict) else None
    try:
        above = normalise(path.lstrip("/")) if isinstance(path, str) else ""
    except GitopsError:
        return False
    return above in ("", folder) or folder.startswith(f"{above}/")


async def walk(delivery: Delivery, act: Callable[[Answer], Awaitable[Ended]]) -> list[int]:
    """Act on each Application once it is due; the exit codes."""
    codes: list[int] = []
    running: dict[asyncio.Task[Ended], Ref] = {}
    places = asyncio.Semaphore(_AT_ONCE)

    async def placed(answer: Answer) -> Ended:
        async with places:
            return await act(answer)

    while True:
        comes_more = False
        for answer in delivery.tree.due():
            if answer.reasons:
                codes.append(_refuse(answer.ref, answer.reasons))
            elif not (answer.application or {})["spec"]["sync"]["automated"]:
                click.echo(printable(f"{answer.ref}: is suspended, and left alone"), err=True)
                delivery.tree.done(answer.ref, well=True)  # as in Flux: what was ready stays so
                comes_more = True
            else:
                running[asyncio.create_task(placed(answer))] = answer.ref
        _tell(delivery.told)
        if comes_more:
            continue
        if not running:
            break
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            ref, ended = running.pop(task), task.result()
            codes.append(ended.code)
            delivery.tree.done(ref, well=ended.well, brought=ended.brought)
    return codes + _tell_rest(delivery.tree)


def _tell_rest(tree: FluxTree) -> list[int]:
    from gitops.cli.settings import HELD

    for answer in tree.others():
        if answer.reasons:
            _refuse(answer.ref, answer.reasons)
    left = tree.left()
    for ref, why in left.items():
        click.echo(click.style("held: ", fg="yellow", bold=True) + printable(f"{ref}: {why}"), err=True)
    return [HELD] * len(left)


def _refuse(ref: Ref, reasons: Iterable[str]) -> int:
    from gitops.cli.settings import WRONG_INPUT

    for reason in reasons:
        click.echo(click.style("refused: ", fg="red", bold=True) + printable(f"{ref}: {reason}"), err=True)
    return WRONG_INPUT


def _tell(words: list[str]) -> None:
    for word in dict.fromkeys(words):
        click.echo(printable(word), err=True)
    words.clear()


def brought_by(rendered: Any) -> tuple[Body, ...]:
    """The objects of Flux in a rendered set."""
    return (*rendered.children, *(one.body for one in rendered.manifests if is_of_flux(one.body)))


def worst(codes: Iterable[int]) -> int:
    """The exit code of many: that of what is worst."""
    from gitops.cli import settings as exits

    order = (
        exits.UNREACHABLE,
        exits.FAILED,
        exits.ROLLED_BACK,
        exits.HELD,
        exits.WRONG_INPUT,
        exits.DIFFERENT,
        exits.DONE,
    )
    return min(codes, key=order.index, default=exits.DONE)
