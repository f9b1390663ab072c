"""Quantities as Kubernetes writes them back."""

import contextlib
import time
from fractions import Fraction

import pytest

from gitops.manifests.quantity import QuantityError, canonical, parse


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("1000m", "1"), ("1024Mi", "1Gi"), (0.5, "500m"), ("0.5Gi", "512Mi"), ("1000", "1k"), (2, "2"), ("1e3", "1e3"),
        ("1.5", "1500m"), ("123456", "123456"), ("0Mi", "0"), (".5", "500m"), ("-1", "-1"), 
        ("1.0000000001", "1000000001n"),
        ("100Ki", "100Ki"), ("0.1Ki", "102400m"),
    ],
)  # fmt: skip
def test_a_quantity_is_written_in_its_shortest_form(sent, written):
    assert canonical(sent) == written


@pytest.mark.parametrize("text", ["", "abc", "1x", "1 Gi", "--1", "1Kii"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(QuantityError):
        canonical(text)


def test_a_quantity_is_an_exact_number():
    assert parse("100m") == Fraction(1, 10)
    assert [parse(f"1{unit}i") for unit in "KMGTPE"] == [1024**power for power in range(1, 7)]
    assert [parse(f"1{unit}") for unit in "numkMGTPE"] == [
        Fraction(10) ** power for power in (-9, -6, -3, *range(3, 19, 3))
    ]


@pytest.mark.parametrize("text", ["1" * 100_000 + "x", "1e999999999"])
def test_no_text_takes_long_to_be_read(text):
    started = time.monotonic()
    with contextlib.suppress(QuantityError):
        canonical(text)
    assert time.monotonic() - started < 1
