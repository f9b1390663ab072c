"""Fixtures of these tests."""

from tests.e2e.shell import shell

__all__ = ["shell"]
