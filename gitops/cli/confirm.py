"""Asking a person before something is destroyed: on a terminal only, so that scripts go on as they were told."""

import signal
import sys

import click

from gitops.cli.escape import printable_lines


def is_terminal() -> bool:
    """Whether there is a person who can answer: both what they read and what they type is a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def wants_to(question: str, *, yes: bool) -> bool:
    """True when it may go on: `yes` was given, nobody is there to ask, or the person says so."""
    if yes or not is_terminal():
        return True
    # Else Ctrl-C only asks what runs here to end, which waits for the answer.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(printable_lines(question), default=False, err=True)
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return False
    finally:
        signal.signal(signal.SIGINT, before)
