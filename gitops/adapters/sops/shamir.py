"""Shamir's secret sharing as SOPS uses it: shares of bytes over GF(2^8), the last byte of each being its place."""

from collections.abc import Sequence
from functools import cache, reduce
from operator import xor


def combined(shares: Sequence[bytes]) -> bytes | None:
    """The secret; None for shares that cannot be of one secret."""
    lengths = {len(share) for share in shares}
    places = [share[-1] for share in shares if share]
    if len(shares) < 2 or len(lengths) != 1 or len(set(places)) != len(shares) or 0 in places:
        return None
    weights = [_weight(place, places) for place in places]
    return bytes(
        reduce(xor, (_product(share[at], weight) for share, weight in zip(shares, weights, strict=True)))
        for at in range(len(shares[0]) - 1)
    )


def _weight(place: int, places: Sequence[int]) -> int:
    """What the share at `place` counts in the value at 0 (Lagrange)."""
    weight = 1
    for other in places:
        if other != place:
            weight = _product(weight, _product(other, _inverse(other ^ place)))
    return weight


@cache
def _product(left: int, right: int) -> int:
    found = 0
    while right:
        if right & 1:
            found ^= left
        left = (left << 1) ^ (0x11B if left & 0x80 else 0)
        right >>= 1
    return found


@cache
def _inverse(value: int) -> int:
    return next(other for other in range(1, 256) if _product(value, other) == 1)
