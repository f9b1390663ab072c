"""The embedded cluster's answers to versions of the future: what a client sees whose cluster was set back."""

import json

import pytest

from tests.scenarios.api import Api, config_map

MAPS = "/api/v1/namespaces/{}/configmaps"


@pytest.fixture
def bare(fresh_sandbox):
    return Api(fresh_sandbox(controllers="none"))


def future_of(api, path, more=1000):
    return int(api.get(path)[1]["metadata"]["resourceVersion"]) + more


def test_a_watch_from_a_version_of_the_future_tells_nothing_until_then(bare):
    path = MAPS.format(bare.namespace("future"))
    start = future_of(bare, path, 2)
    with bare.open("GET", path, watch="1", resourceVersion=str(start), timeoutSeconds="2") as stream:
        for name in ("a", "b", "c"):
            bare.create(path, config_map(name))
        assert stream.status == 200
        told = [json.loads(line)["object"]["metadata"]["name"] for line in stream.read().splitlines()]
    assert told == ["c"]


@pytest.mark.parametrize("what", ["", "/there"])
def test_what_is_no_older_than_a_version_of_the_future_is_not_answered(bare, what):
    path = MAPS.format(bare.namespace("future"))
    bare("POST", path, config_map("there"))
    wanted = future_of(bare, path)
    with bare.open("GET", path + what, resourceVersion=str(wanted)) as response:
        body = json.loads(response.read())
        assert response.getheader("Retry-After") == "1"
    assert (body["code"], body["reason"]) == (504, "Timeout")
    assert body["message"] == f"Timeout: Too large resource version: {wanted}, current: {wanted - 1000}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert body["details"] == {"causes": [cause], "retryAfterSeconds": 1}


def test_options_that_a_list_does_not_take_together_are_refused(bare):
    path = MAPS.format(bare.namespace("future"))
    status, body = bare.get(path, resourceVersionMatch="Exact")
    assert status == 422
    assert body["message"].endswith("resourceVersionMatch is forbidden unless resourceVersion is provided")
    status, body = bare.get(path, watch="1", resourceVersionMatch="NotOlderThan", resourceVersion="1")
    assert status == 422
    assert "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided" in body["message"]
