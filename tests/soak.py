"""How much of a soak is run: all of it by `make soak`, a share of it in continuous integration."""

import os


def examples(full: int) -> int:
    """`full`, or the share of it that SOAK_SHARE asks for (0.005 is half a percent), but never less than five."""
    return max(5, int(full * float(os.environ.get("SOAK_SHARE", "1"))))
