"""The desired state: what names it, and what must not be guessed from its name."""

import hashlib
import json

from gitops.engine.desired import digest_of


def secret(value, name="s"):
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"p": value}}


def test_a_digest_tells_every_change_apart():
    bodies = [
        secret("a"),
        secret("b"),
        secret("a", "t"),
        {**secret("a"), "type": "x"},
        {**secret("a"), "data": {"p": "YQ=="}},
    ]
    assert len({digest_of([body]) for body in bodies}) == len(bodies)
    assert digest_of([secret("a")]) == digest_of([secret("a")])


def test_a_digest_over_a_secret_is_not_a_plain_hash_of_it():
    body = secret("hunter2")
    plain = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n").hexdigest()
    assert digest_of([body]) != plain
