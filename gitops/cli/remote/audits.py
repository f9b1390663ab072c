"""The audit log through a server: exported, and checked here, entry by entry, whatever the server says of it.

An entry that was changed shows by its hash. What was left out at the end would not: so the server has to send at least
as many entries as it said beforehand that there are.
"""

import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import click

from gitops.adapters.api_client import ApiClient
from gitops.cli.audit_export import whole_words
from gitops.cli.escape import printable
from gitops.cli.remote.names import identity_of
from gitops.model.app_name import fits
from gitops.model.errors import AuditError, ConfigError, UnreachableError
from gitops.views.audit_export import ExportCheck

_MOST_TOLD: Final = 5


async def export(client: ApiClient, given: dict[str, Any]) -> None:
    """Print each entry that has been checked. Raises AuditError where what was printed is not all, or not as it was."""
    application = await _meant(client, given)
    proof, check = await client.get("/audit/verify", application=application), ExportCheck()
    is_any = False
    async for line in _checked(client, application, check):
        if _is_wanted(check.last_chain, given):
            sys.stdout.buffer.write(line)
            is_any = True
    sys.stdout.buffer.flush()
    _check_all_came(proof, check)
    if not is_any and (given["app"] or given["namespace"]):
        raise ConfigError(f"{client.url} has no entry of {given['app'] or given['namespace']} that you may see")
    _check_proof(proof)


async def verify(client: ApiClient, given: dict[str, Any]) -> None:
    """Check each entry here, and hold the heads against what the server says that the cluster remembers."""
    application = await _meant(client, given)
    proof, check = await client.get("/audit/verify", application=application), ExportCheck()
    async for _ in _checked(client, application, check):
        pass
    _check_all_came(proof, check)
    anchored = {(one["application"], one["cluster"]): one["anchored"] for one in proof["items"]}
    wanted = {chain: ends for chain, ends in check.chains.items() if _is_wanted(chain, given)}
    for chain, (first, last) in sorted(wanted.items()):
        words = whole_words(first, last, "the server's store")
        if given["offline"] or chain not in anchored:
            said = ""
        else:
            said = f", anchored at {anchored[chain]}" if anchored[chain] is not None else ", no anchor of its store"
        click.echo(printable(f"{' on '.join(chain)}: {words}{said}"))
    if not given["offline"]:
        _check_proof(proof)
    if not wanted:
        of = f" of {given['app'] or given['namespace']}" if given["app"] or given["namespace"] else ""
        raise AuditError(f"{client.url} has no entry{of} that you may see")
    for note in ["anchors not checked: --offline"] if given["offline"] else proof["notes"]:
        click.echo(printable(f"note: {note}"), err=True)


async def _meant(client: ApiClient, given: dict[str, Any]) -> str:
    return await identity_of(client, given["app"], given["namespace"]) if given["app"] else ""


def _is_wanted(chain: tuple[str, str], given: dict[str, Any]) -> bool:
    return bool(given["app"]) or fits(chain[0], "", "", given["namespace"])


async def _checked(client: ApiClient, application: str, check: ExportCheck) -> AsyncIterator[bytes]:
    """The lines of the export, each after it was held against the one before. Raises AuditError."""
    try:
        async for line in client.lines("/audit/export", application=application):
            check.take(line)
            if application and check.last_chain[0] != application:
                raise AuditError(f"the server sent an entry of {check.last_chain[0]}, which nobody asked for")
            yield line
    except UnreachableError as exc:
        raise AuditError(f"this is not all of the log: {exc}") from exc


def _check_all_came(proof: dict[str, Any], check: ExportCheck) -> None:
    """Raise AuditError where fewer entries came than there were before."""
    came = sum(last - first + 1 for first, last in check.chains.values())
    if came < int(proof["entries"]):
        raise AuditError(f"this is not all of the log: {came} entries came, and there are {proof['entries']} at least")
    short = [
        f"{one['application']} on {one['cluster']} ({one['entries']})"
        for one in proof["items"]
        if one["entries"] > _count(check, (one["application"], one["cluster"]))
    ]
    if short:
        raise AuditError(f"this is not all of the log: entries are missing of {', '.join(short[:_MOST_TOLD])}")


def _count(check: ExportCheck, chain: tuple[str, str]) -> int:
    first, last = check.chains.get(chain, (1, 0))
    return last - first + 1


def _check_proof(proof: dict[str, Any]) -> None:
    """Raise AuditError where the server says that the log is not as it was written, in whichever place."""
    wrong = [f"{one['application']} on {one['cluster']}: {one['wrong']}" for one in proof["items"] if one["wrong"]]
    if wrong:
        raise AuditError("; ".join(wrong[:_MOST_TOLD]))
    if proof["wrong"] or proof["whole"] is not True or not all(one["whole"] is True for one in proof["items"]):
        raise AuditError("the server says that its log is not whole, and not where")
