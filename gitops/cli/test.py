"""`gitops test`: the tests of an Application, against what was synced last."""

import sys
from dataclasses import replace

import click

from gitops.cli import settings as exits
from gitops.cli.application import namespace_option, seconds_of
from gitops.cli.escape import printable
from gitops.cli.output import output_option, print_data
from gitops.cli.settings import Settings, run
from gitops.model.revision import short


@click.command()
@click.argument("app")
@namespace_option
@click.option("--timeout", default="", metavar="DURATION", help="For each test (default: the Application's).")
@output_option
@click.pass_obj
def test(settings: Settings, app: str, namespace: str, timeout: str, output: str) -> None:
    """Run the tests of APP, as `helm test` does: hooks `helm.sh/hook: test` of what was synced last.

    Exit codes: 0 all passed, 2 there are none, 3 a sync is under way, 4 one failed, 6 cluster unreachable.
    """
    run(settings, _test(settings, app, namespace, timeout, output))


test.__test__ = False  # type: ignore[attr-defined]  # for pytest


async def _test(settings: Settings, app: str, namespace: str, timeout: str, output: str) -> None:
    from gitops.cli.display import Display
    from gitops.cli.opening import outside_of
    from gitops.cli.recorded import application_called
    from gitops.config import actor
    from gitops.sync.context import Request
    from gitops.sync.run_tests import run_tests

    display = Display()
    async with outside_of(settings, display.emit) as context:
        found = await application_called(context, app, namespace)
        if timeout:
            found = replace(found, sync=replace(found.sync, timeout=seconds_of(timeout)))
        with display:
            done = await run_tests(Request(found, actor()), context)
    if output != "table":
        failed = [{"object": str(one.key), "reason": one.reason} for one in done.failures]
        tests = [str(key) for key in done.tests]
        print_data(
            {"application": found.identity, "revision": done.revision, "tests": tests, "failures": failed}, output
        )
    for failure in done.failures:
        click.echo(printable(failure.reason), err=True)
    word = click.style("failed", fg="red", bold=True) if done.failures else click.style("passed", fg="green", bold=True)
    head = printable(f"{found.identity} {short(done.revision)}")
    click.echo(f"{head}: {word} ({len(done.tests)} {'test' if len(done.tests) == 1 else 'tests'})", err=True)
    sys.exit(exits.FAILED if done.failures else exits.DONE)
