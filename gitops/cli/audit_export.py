"""`gitops audit export`, and the check of what it wrote: the audit log as a file that proves itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import click

from gitops.cli.application import namespace_option
from gitops.cli.escape import printable
from gitops.cli.settings import Settings, run
from gitops.model.app_name import fits, nearest
from gitops.model.errors import AuditError, ConfigError

_LONGEST_LINE: Final = 64 * 2**20


@click.command()
@click.argument("app", required=False, default="")
@namespace_option
@click.pass_obj
def export(settings: Settings, app: str, namespace: str) -> None:
    """Print the log as JSON lines, each entry as it is stored; with APP (NAME or NAMESPACE/NAME) of one Application.

    `gitops audit verify --file FILE` checks such a file anywhere, without this store.
    """
    run(settings, _export(settings, app, namespace))


async def _export(settings: Settings, app: str, namespace: str) -> None:
    from gitops.cli.opening import store_of
    from gitops.views.audit_export import exported, line_of

    async with store_of(settings) as store:
        known = await store.chains()
        chains = [chain for chain in known if fits(chain[0], "", app, namespace)]
        if not chains and (app or namespace):
            meant = nearest(app, (application for application, _ in known)) if app else ""
            raise ConfigError(f"this store ({store.id}) has no entry of {app or namespace}{meant and f' ({meant})'}")
        async for events in exported(store, chains):
            sys.stdout.buffer.write(b"".join(map(line_of, events)))
    sys.stdout.buffer.flush()


def verify_file(file: str) -> None:
    """Check each line of an export, and say how many entries each chain has. Raises AuditError, ConfigError."""
    from gitops.views.audit_export import ExportCheck

    check = ExportCheck()
    with _opened(file) as lines:
        while line := lines.readline(_LONGEST_LINE):
            if not line.endswith(b"\n"):
                raise AuditError(f"{file}: the last line is cut off, so there may have been more")
            check.take(line)
    for chain, (first, last) in check.chains.items():
        click.echo(printable(f"{' on '.join(chain)}: {whole_words(first, last, 'this file')}"))
    if not check.chains:
        raise AuditError(f"{file}: there is no entry in it")
    click.echo("note: anchors not checked: --file; a tail that was cut off shows in the cluster only", err=True)


def whole_words(first: int, last: int, where: str) -> str:
    """What is said of a chain that is as it was written, of its first entry to its last in `where`."""
    # A store may begin where another one ended; so may a file that somebody has cut.
    before = "" if first == 1 else f" from entry {first} on: the {first - 1} before it are not in {where}"
    return f"{last - first + 1} entries, whole{before}"


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as found:
            yield found
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be read: {exc.strerror}") from exc
