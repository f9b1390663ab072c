"""How much work the expressions of one object may be: a stranger wrote them."""

from typing import Final

from gitops.model.errors import RenderError

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_STEPS: Final = 1_000_000


class Work:
    """Counts what is done, and raises RenderError when that is too much."""

    def __init__(self) -> None:
        self._bytes = 0
        self._steps = 0

    def text(self, size: int) -> None:
        """Text of `size` bytes is about to be read or made."""
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise RenderError(f"its variables read and make more than {MOST_BYTES // 2**20} MiB of text")

    def step(self, count: int) -> None:
        """A glob is tried at `count` places."""
        self._steps += count
        if self._steps > MOST_STEPS:
            raise RenderError(f"its globs (${{x#glob}}, ${{x%glob}}) are tried at more than {MOST_STEPS:,} places")
