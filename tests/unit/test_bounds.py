"""What a stranger packed, nested or wrote is read up to a size, and then refused in words."""

import base64
import gzip
import json
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.bounds import MIB, parsed, read_file, unzipped
from gitops.engine.inventory import Inventory, parent_key
from gitops.engine.inventory_parent import parent_body, read_parent
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import ResourceKey
from gitops.model.reading import read_as, read_row
from gitops.model.release import Release

PARENT = parent_key("shop", "shop")


def parent(**fields):
    """An inventory of one object as it is stored, with `fields` of its ConfigMap replaced."""
    key = ResourceKey("apps", "Deployment", "shop", "web")
    return {**parent_body(Inventory("gitops/shop", PARENT, frozenset({key})), "1"), **fields}


def packed(rows):
    data = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return {"binaryData": {"inventory": base64.b64encode(gzip.compress(data, 1, mtime=0)).decode()}}


@given(st.binary(), st.integers(0, 100))
def test_what_is_packed_is_unpacked_up_to_the_bound_and_no_further(data, most):
    zipped = gzip.compress(data)
    if len(data) <= most:
        assert unzipped(zipped, most) == data
    else:
        with pytest.raises(ValueError, match="unpacks to more than"):
            unzipped(zipped, most)


@given(st.binary(min_size=1))
def test_a_damaged_stream_is_told_and_not_crashed_on(data):
    for broken in (data, gzip.compress(data)[:-3], gzip.compress(data) + b"x"):
        with pytest.raises(ValueError, match="damaged"):
            unzipped(broken, MIB)


@pytest.mark.parametrize("bomb", [b"\0" * (200 * MIB), b"[" + b"[]," * (5 * MIB)], ids=["zeros", "lists"])
def test_a_bomb_in_an_inventory_costs_no_memory(bomb):
    body = parent(**packed(bomb))
    del bomb
    tracemalloc.start()
    try:
        with pytest.raises(ManifestError, match=r"ConfigMap shop/gitops-shop: its inventory cannot be read \(it "):
            read_parent(body, "gitops/shop", PARENT)
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "fields",
    [
        packed({"a": 1}),
        packed([["apps", "Deployment", "shop"]]),
        packed([["apps", "Deployment", "shop", 5]]),
        packed([["apps", "Deployment", "shop", "web", 2]]),
        packed([["apps", "Deployment", "shop", "web", 1, None]]),
        packed(b"[" * 100_000),
        packed(b"\xff\xfe"),
        {"binaryData": {"inventory": "H4sIAAAA"}},
        {"binaryData": {"inventory": "not base64!"}},
        {"binaryData": {"inventory": 5}},
        {"binaryData": ["inventory"]},
        {"data": "text"},
        {"data": {"application": 5}},
        {"data": {"healthy": "[" * 100_000}},
        {"data": {"healthy": "null"}},
        {"data": {"healthy": '{"revision": 5, "ref": "main", "digest": "d", "at": "now"}'}},
        {"data": {"healthy": '{"ref": "main"}'}},
        {"data": {"releases": "{}"}},
        {"data": {"releases": "[1]"}},
        {"data": {"quarantine": '{"revision": "a", "digest": "d", "reason": "r", "at": "now", "also": 5}'}},
        {"data": {"audit": '{"store": "s", "seq": "1", "hash": "h"}'}},
        {"data": {"hooks": '{"id": null, "digest": "d"}'}},
    ],
)
def test_a_damaged_inventory_is_told_by_name_and_never_a_fault(fields):
    with pytest.raises(ManifestError, match=r"ConfigMap shop/gitops-shop: its inventory cannot be read"):
        read_parent(parent(**fields), "gitops/shop", PARENT)


def test_json_that_is_nested_beyond_reading_is_told():
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed("[" * 100_000)


def test_a_file_without_an_end_is_not_read_to_it(tmp_path):
    with pytest.raises(ValueError, match="found a device"):
        read_file(tmp_path.joinpath("/dev/zero"))
    with pytest.raises(ValueError, match="found a folder"):
        read_file(tmp_path)
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 20 * MIB)
    with pytest.raises(ValueError, match="holds more than the 16 MiB"):
        read_file(large)
    small = tmp_path / "small"
    small.write_text("a")
    assert read_file(small) == b"a"


def test_a_record_with_a_field_of_another_type_is_told_by_the_field():
    row = (1, "shop", "c", "sha", "main", "digest", "Healthy", "now", "ada", "shop", "git")
    assert read_row(Release, row) == Release(*row)
    with pytest.raises(ValueError, match="revision: expected text"):
        read_row(Release, (1, "shop", "c", b"sha", *row[4:]))
    with pytest.raises(ValueError, match="number: expected a whole number"):
        read_row(Release, ("1", *row[1:]))
    with pytest.raises(ValueError, match="ref is missing"):
        read_as(Release, {"number": 1, "application": "shop", "cluster": "c", "revision": "sha"})
