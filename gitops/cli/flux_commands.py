"""`gitops sync|diff|render -f` over the tree of what objects of Flux deliver: one Application after another."""

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.application import plan_options, seconds_of
from gitops.cli.escape import printable, printable_lines
from gitops.cli.flux import CHILD_KINDS, Delivery, Ended, brought_by, delivery_of, walk, worst
from gitops.cli.output import plan_data, print_data, print_hold, print_plan, result_data, summary
from gitops.cli.settings import Settings, exit_code
from gitops.compat.flux.answer import Answer
from gitops.manifests.errors import GitopsError
from gitops.manifests.secrets import with_data_only
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.model.result import Hold, Outcome
from gitops.sync.context import About, Request, SyncContext, as_account

if TYPE_CHECKING:
    from renderers.result import Look

_OF_ONE = ("name", "plan_file", "resources", "out", "release", "revision")


def tree_of(file: str, given: dict[str, Any]) -> Delivery | None:
    """What -f names, where that is objects of Flux. Raises ConfigError for options that are for one Application."""
    delivery = delivery_of(file) if file else None
    if delivery is not None:
        for name in _OF_ONE:
            if given.get(name):
                option = {"plan_file": "plan", "resources": "resource"}.get(name, name)
                raise ConfigError(f"--{option}: is for one Application, and {file} delivers a tree of them")
    return delivery


@dataclass(frozen=True, slots=True)
class _Walk:
    """What the commands have in common."""

    settings: Settings
    delivery: Delivery
    given: dict[str, Any]
    data: list[dict[str, Any]]

    def application(self, answer: Answer) -> Application:
        app = self.delivery.application(answer)
        if self.given.get("timeout"):
            app = replace(app, sync=replace(app.sync, timeout=seconds_of(self.given["timeout"])))
        return app

    def request(self, app: Application) -> Request:
        from gitops.config import actor

        return Request(app, actor(), plan_options(self.given), wait=not self.given.get("no_wait"))

    def failed(self, answer: Answer, error: GitopsError) -> Ended:
        click.echo(click.style("failed: ", fg="red", bold=True) + printable_lines(f"{answer.ref}: {error}"), err=True)
        self.data.append({"application": str(answer.ref), "error": str(error)})
        return Ended(False, exit_code(error))

    def leave(self, codes: list[int]) -> None:
        if self.given["output"] != "table":
            print_data(self.data, self.given["output"])
        sys.exit(worst(codes))


async def sync_tree(settings: Settings, delivery: Delivery, given: dict[str, Any]) -> None:
    """Sync each, the ones that others depend on first; a failure keeps back those that depend on it, no others."""
    from gitops.cli.opening import outside_of

    run = _Walk(settings, delivery, given, [])
    async with outside_of(settings, projects=given["projects"]) as opened:
        context = _over(delivery, opened)

        async def act(answer: Answer) -> Ended:
            try:
                return await _sync(run, answer, context)
            except GitopsError as exc:
                return run.failed(answer, exc)

        codes = await walk(delivery, act)
    run.leave(codes)


def _over(delivery: Delivery, opened: SyncContext) -> SyncContext:
    """What reaches out for the Applications of a tree: their custom resources are the objects there."""

    async def resource(identity: str) -> dict[str, Any] | None:
        return delivery.tree.resource(identity)

    return replace(opened, child_kinds=CHILD_KINDS, about=About(resource=resource))


async def _sync(run: _Walk, answer: Answer, opened: SyncContext) -> Ended:
    from gitops.cli.opening import at_destination

    app = run.application(answer)
    async with at_destination(opened, app) as there:
        return await _sync_there(run, app, there)


async def _sync_there(run: _Walk, app: Application, opened: SyncContext) -> Ended:
    from gitops.cli.notify import told_from_now
    from gitops.cli.sync import end_of
    from gitops.model.result import SyncResult
    from gitops.sync.planning import held_without_rights, plan_sync
    from gitops.sync.reconcile import sync_planned

    context, request = as_account(opened, app), run.request(app)
    outside = await told_from_now(run.given["notifications"], context, app)
    planned = held_without_rights(await plan_sync(request, context))
    if run.given["dry_run"]:
        result = SyncResult(Outcome.PLANNED, planned.plan, message=summary(planned.plan))
        if run.given["output"] == "table":
            print_plan(planned.plan)
    else:
        result = await sync_planned(request, context, planned)
    await outside(planned, result)
    code = end_of(app, planned, result, run.given["output"])
    run.data.append(result_data(result))
    well = result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC, Outcome.PLANNED)
    brings = well and not app.destination.kubeConfig.secretRef
    return Ended(well, code, brought_by(planned.at.rendered) if brings else ())


async def diff_tree(settings: Settings, delivery: Delivery, given: dict[str, Any]) -> None:
    """Plan each as the cluster is now; what needs what another one brings is told as it is."""
    from gitops.cli.opening import at_destination, outside_of
    from gitops.sync.planning import plan_sync

    run = _Walk(settings, delivery, given, [])
    if given["output"] not in ("table", "json", "yaml"):
        raise ConfigError(f"-o {given['output']}: is for one Application; of a tree, table, json or yaml is printed")
    async with outside_of(settings, projects=given["projects"]) as opened:
        context = _over(delivery, opened)
        changing: set[str] = set()

        async def act(answer: Answer) -> Ended:
            try:
                app = run.application(answer)
                async with at_destination(context, app) as there:
                    planned = await plan_sync(run.request(app), as_account(there, app))
            except GitopsError as exc:
                return run.failed(answer, exc)
            code, before = _show(run, app, planned), sorted(changing.intersection(app.dependsOn))
            if code != exits.DONE:
                changing.add(app.identity)
            if before and code in (exits.HELD, exits.FAILED):
                click.echo(
                    f"{app.identity} comes after {', '.join(before)}: what that brings is not there yet", err=True
                )
                code = exits.DIFFERENT
            return Ended(True, code, () if app.destination.kubeConfig.secretRef else brought_by(planned.at.rendered))

        codes = await walk(delivery, act)
    run.leave(codes)


def _show(run: _Walk, app: Application, planned: Any) -> int:
    from gitops.cli.diff import exit_of

    run.data.append(plan_data(planned.plan, planned.decision))
    if run.given["output"] == "table":
        print_plan(planned.plan)
        if isinstance(planned.decision, Hold):
            print_hold(planned.decision)
    click.echo(printable(f"{app.identity} {planned.plan.revision}: {summary(planned.plan)}"), err=True)
    return exit_of(planned)


def render_tree(delivery: Delivery) -> tuple[list[dict[str, Any]], int]:
    """The objects of all, without a cluster; and the exit code, after what cannot be rendered was told."""
    import asyncio

    from gitops.bootstrap import open_source
    from gitops.cli.opening import secret_of
    from gitops.compat.flux.objects import is_of_flux
    from gitops.config import cache_folder
    from gitops.rendering import render_alone
    from renderers.result import Context, Look

    bodies: list[dict[str, Any]] = []
    brought: dict[Look, Any] = {}
    source = open_source(cache_folder(), secret_of)
    run = _Walk(Settings(), delivery, {}, [])

    async def act(answer: Answer) -> Ended:
        try:
            app = run.application(answer)
            checkout = await source.checkout(app)
            context, placed = Context(brought=dict(brought)), app.with_sources(checkout.sources)
            found = await asyncio.to_thread(render_alone, checkout.tree, placed, context)
        except GitopsError as exc:
            return run.failed(answer, exc)
        made = [manifest.body for manifest in found.manifests]
        brought.update(_held_in(made, app.destination.namespace))
        bodies.extend(body for body in made if not is_of_flux(body))
        return Ended(True, exits.DONE, tuple(body for body in made if is_of_flux(body)))

    codes = asyncio.run(walk(delivery, act))
    return bodies, worst(codes)


def _held_in(bodies: list[dict[str, Any]], namespace: str) -> "dict[Look, Any]":
    """The ConfigMaps and Secrets among the objects, as a cluster would hold them: others may take values of these."""
    from renderers.result import Look

    found: dict[Look, Any] = {}
    for body in bodies:
        if (body["apiVersion"], body["kind"]) in (("v1", "ConfigMap"), ("v1", "Secret")):
            metadata = body["metadata"]
            place = metadata.get("namespace") or namespace
            found[Look("v1", body["kind"], place, metadata["name"])] = with_data_only(body)
    return found
