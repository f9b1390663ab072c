"""`gitops policy check`: what the rules say about manifests, for people and for CI systems."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from gitops.cli import settings as exits
from gitops.cli.settings import fail
from gitops.model.errors import GitopsError

if TYPE_CHECKING:
    from gitops.model.finding import Finding


@click.group()
def policy() -> None:
    """Check manifests against policies; no cluster needed."""


@policy.command("list")
def list_rules() -> None:
    """Print every rule and what it asks for."""
    from gitops.cli.output import table
    from policies.registry import all_rules

    rows = [(rule.name, rule.about) for rule in sorted(all_rules().values(), key=lambda rule: rule.name)]
    click.echo(table(rows, ("RULE", "ASKS")))


@policy.command()
@click.argument("path")
@click.option("--enforce", multiple=True, metavar="RULE", help="Only these rules, as errors (default: every rule).")
@click.option("--warn", multiple=True, metavar="RULE", help="These rules as warnings.")
@click.option("--kubernetes", default="", metavar="VERSION", help="The version that the manifests are meant for.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "junit", "sarif", "markdown"]),
    default="table",
    show_default=True,
)
def check(path: str, enforce: tuple[str, ...], warn: tuple[str, ...], kubernetes: str, output: str) -> None:
    """Check what PATH renders to.

    Exit codes: 0 no rule is broken (or only warnings), 2 wrong input, 3 a rule is broken.
    """
    try:
        findings = _findings(path, enforce, warn, kubernetes)
    except GitopsError as exc:
        fail(exc)
    from gitops.cli import findings as formats

    sys.stdout.write(getattr(formats, output)(findings))
    errors = sum(finding.severity == "error" for finding in findings)
    if output == "table":
        click.echo(f"{errors} errors, {len(findings) - errors} warnings", err=True)
    sys.exit(exits.HELD if errors else exits.DONE)


def _findings(path: str, enforce: tuple[str, ...], warn: tuple[str, ...], kubernetes: str) -> "tuple[Finding, ...]":
    from gitops.adapters.folder import folder_tree
    from gitops.model.application import Application, PolicyOptions, SourceSpec
    from gitops.rendering import render_alone
    from policies.registry import all_rules
    from policies.registry import check as check_rules
    from policies.rule import Target

    tree, inside = folder_tree(path)
    manifests: Any = render_alone(tree, Application("", source=SourceSpec(path=inside or "."))).manifests
    chosen = enforce if enforce or warn else tuple(all_rules())
    options = PolicyOptions(enforce=chosen, warn=warn)
    return check_rules(manifests, options, Target(kubernetes), datetime.now(UTC).date())
