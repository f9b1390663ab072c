"""`gitops import flux FOLDER`: another tool's objects as Applications, and what became of each of their fields."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.settings import Settings, fail, run
from gitops.model.errors import ConfigError, GitopsError

if TYPE_CHECKING:
    from gitops.compat.found import Found


@click.group(name="import")
def import_() -> None:
    """Make Applications of another tool's objects."""


@import_.command()
@click.argument("folder", required=False, default="")
@click.option("--cluster", is_flag=True, help="Read the objects of the cluster instead of FOLDER.")
@click.option("--out", default="", metavar="DIR", help="Write each Application to DIR/NAMESPACE/NAME.yaml.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="yaml prints the Applications.",
)
@click.pass_obj
def flux(settings: Settings, folder: str, cluster: bool, out: str, output: str) -> None:
    """Read the objects of Flux below FOLDER, or in the cluster, and say what became of each of their fields.

    Exit codes: 0 all can be run, 1 some cannot, 2 wrong input, 6 cluster unreachable.
    """
    if bool(folder) == cluster:
        fail(ConfigError("name what to read: a FOLDER, or --cluster"))
    try:
        found, left_out = (run(settings, _of_cluster(settings)), []) if cluster else _read(folder)
        written = _write(Path(out), found) if out else 0
    except GitopsError as exc:
        fail(exc)
    for why in left_out:
        click.echo(f"left out: {why}", err=True)
    _show(found, output)
    refused = sum(one.outcome == "refused" for one in found)
    made = sum(one.application is not None for one in found)
    ours = sum(one.outcome != "not ours" for one in found)
    click.echo(f"{ours} objects of Flux: {made} Applications, {refused} refused", err=True)
    if out:
        click.echo(f"{written} files written to {out}", err=True)
    sys.exit(exits.DIFFERENT if refused else exits.DONE)


def _read(folder: str) -> "tuple[list[Found], list[str]]":
    from gitops.adapters.folder import folder_tree
    from gitops.adapters.object_files import objects_below
    from gitops.compat.found import found_in

    objects, left_out = objects_below(*folder_tree(folder))
    return found_in(objects), left_out


async def _of_cluster(settings: Settings) -> "list[Found]":
    from gitops.bootstrap import open_cluster
    from gitops.compat.flux.objects import GROUP_OF
    from gitops.compat.found import found_in

    cluster = open_cluster(settings.kubeconfig, settings.context)
    try:
        bodies = [body for kind, group in GROUP_OF.items() for body in (await cluster.list(group, kind, "")).items]
    finally:
        await cluster.close()
    return found_in([(f"{body['kind']} in the cluster", body) for body in bodies])


def _write(folder: Path, found: "list[Found]") -> int:
    """The Applications as files; one that is there already is not written over. Raises ConfigError."""
    from gitops.manifests.yaml_write import write_manifests

    apps = [one.application for one in found if one.application is not None]
    places = [folder / app["metadata"]["namespace"] / f"{app['metadata']['name']}.yaml" for app in apps]
    there = [place for place in places if place.exists()]
    if there:
        raise ConfigError(f"--out: {there[0]}: is there already; name an empty folder")
    files: dict[Path, str] = {}
    for place, file in zip(places, (one.file for one in found if one.application is not None), strict=True):
        if place in files:
            several = f"{files[place]} and {file} would both be it; import the folder of one cluster at a time"
            raise ConfigError(f"--out: {place}: {several}")
        files[place] = file
    for place, app in zip(places, apps, strict=True):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(write_manifests([app]))
        except OSError as exc:
            raise ConfigError(f"--out: {place}: {exc.strerror}") from exc
    return len(apps)


def _show(found: "list[Found]", output: str) -> None:
    from gitops.cli.output import print_data, table

    if output == "yaml":
        print_data([one.application for one in found if one.application is not None], "yaml")
        return
    if output == "json":
        print_data([_data(one) for one in found], "json")
        return
    rows = []
    for one in found:
        if one.outcome != "not ours":
            rows.append((one.outcome, one.kind, f"{one.namespace}/{one.name}".lstrip("/"), one.file, one.word))
    click.echo(table(rows, ("OUTCOME", "KIND", "NAME", "FILE", "WHY")))
    for one in found:
        for path, words in one.fields.items():
            if words != "used":
                click.echo(f"  {one.kind} {one.name}: {path}: {words}")


def _data(one: "Found") -> dict[str, Any]:
    names = ("file", "kind", "namespace", "name", "outcome", "fields", "reasons", "needs", "application")
    return {name: getattr(one, name) for name in names}
