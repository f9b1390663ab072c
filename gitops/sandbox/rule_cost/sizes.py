"""Sizes of values as a range, with the arithmetic of unsigned 64-bit numbers that stop at their largest."""

import math
from dataclasses import dataclass
from typing import Final

MOST: Final = 2**64 - 1


def clipped(number: int) -> int:
    return min(number, MOST)


def scaled(number: int, factor: float) -> int:
    """The product, rounded up, with Go's float64."""
    product = float(number) * factor
    return MOST if product >= 2.0**64 else math.ceil(product)


@dataclass(frozen=True, slots=True)
class Size:
    """From `least` to `most` characters, bytes, items or entries."""

    least: int
    most: int

    def plus(self, other: "Size") -> "Size":
        return Size(clipped(self.least + other.least), clipped(self.most + other.most))

    def times(self, other: "Size") -> "Size":
        return Size(clipped(self.least * other.least), clipped(self.most * other.most))

    def joined(self, other: "Size") -> "Size":
        return Size(min(self.least, other.least), max(self.most, other.most))

    def cost(self, factor: float) -> int:
        return scaled(self.most, factor)


def exactly(number: int) -> Size:
    return Size(number, number)


ONE: Final = exactly(1)
ANY: Final = Size(0, MOST)
