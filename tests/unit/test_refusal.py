"""What is said of a refusal, and shown of the way around it."""

import pytest

from gitops.engine.refusal import (
    changes_by_recreation,
    changes_of,
    conflict_reason,
    frozen_fields,
    immutable_reason,
    is_of_itself,
    told,
    unanswered,
)
from gitops.model.errors import ApiError
from gitops.model.plan import ABSENT, FieldChange, Unknown


def conflict(*pairs):
    causes = [{"field": f".{field}", "message": f'conflict with "{owner}"'} for field, owner in pairs]
    return ApiError(409, "Conflict", "", {"details": {"causes": causes}})


def test_a_conflict_over_many_fields_tells_how_many_each_owner_has_and_the_first_of_them():
    many = conflict(*((f"spec.f{number}", "kubectl") for number in range(40)), ("spec.replicas", "hpa"))
    assert conflict_reason(many) == (
        'spec.f0, spec.f1, spec.f2 and 37 more fields (conflict with "kubectl"), spec.replicas (conflict with "hpa")'
    )
    owners = conflict(*((f"spec.f{number}", f"m{number}") for number in range(40)))
    assert conflict_reason(owners) == (
        'spec.f0 (conflict with "m0"), spec.f1 (conflict with "m1"), spec.f2 (conflict with "m2") '
        "and 37 more fields of 37 other managers"
    )
    one_more = conflict(*((name, name) for name in "abcd"))
    assert conflict_reason(one_more).endswith('c (conflict with "c") and 1 more field of 1 other manager')
    assert conflict_reason(conflict(*((name, name) for name in "abc"))).endswith(', c (conflict with "c")')
    assert conflict_reason(conflict(("a", "x"), ("b", "x"))) == 'a, b (conflict with "x")'
    assert told(many) == f"another manager owns {conflict_reason(many)}"
    assert told(ApiError(409, "Conflict", "the object has been modified")) == "the object has been modified"


def test_an_item_that_is_new_is_shown_though_the_manifest_leaves_a_part_of_its_key_to_the_server():
    def with_ports(*ports):
        return {"metadata": {}, "spec": {"selector": {"a": str(len(ports))}, "ports": list(ports)}}

    live = with_ports({"port": 80, "protocol": "TCP"})
    guess = with_ports({"port": 80, "protocol": "TCP"}, {"port": 81})
    preview = with_ports({"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"})
    paths = [change.path for change in changes_by_recreation(live, guess, preview)]
    assert paths == ["spec.ports[port=81,protocol=TCP]", "spec.selector.a"]


def test_a_plan_holds_no_field_that_our_apply_does_not_set():
    """A webhook writes the time into each answer, and another manager wrote between the look and the dry-run."""

    def body(image, stamp, other):
        annotations = {"webhook": stamp, "other": other}
        return {"metadata": {"name": "x", "annotations": annotations}, "spec": {"image": image}}

    live, guess, answer = body("1", "then", "a"), body("2", "then", "a"), body("2", "now", "b")
    assert [change.path for change in changes_of(live, answer, guess)] == ["spec.image"]
    assert changes_of(live, body("1", "now", "b"), live) == ()


def test_a_field_that_the_server_writes_otherwise_than_we_sent_it_is_ours():
    live, guess, answer = ({"spec": {"cpu": value}} for value in ("1", "2000m", "2"))
    assert [change.desired for change in changes_of(live, answer, guess)] == ["2"]


STATEFUL = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
POD = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


@pytest.mark.parametrize(
    ("field", "message", "frozen", "free"),
    [
        (
            "spec.selector",
            "Invalid value: {}: field is immutable",
            ["spec.selector.matchLabels.app", "spec.selector"],
            ["spec.selectors", "spec"],
        ),
        (
            "spec",
            STATEFUL,
            ["spec.serviceName", "spec.volumeClaimTemplates[0].spec"],
            ["spec.replicas", "spec.template.spec.x", "spec.ordinals.start", "metadata.labels.a"],
        ),
        (
            "spec",
            POD,
            ["spec.containers[name=web].env", "spec.tolerations[0]", "spec.nodeName"],
            ["spec.containers[name=web].image", "spec.initContainers[name=a].image", "spec.activeDeadlineSeconds"],
        ),
        (
            "spec.clusterIPs[0]",
            "Invalid value: []: primary clusterIP can not be unset",
            ["spec.clusterIP", "spec.clusterIPs[0]"],
            ["spec.clusterIPs[1]"],
        ),
    ],
)
def test_of_what_changes_that_is_frozen_which_the_refusal_does_not_leave_free(field, message, frozen, free):
    error = ApiError(422, "Invalid", "", {"details": {"causes": [{"field": field, "message": message}]}})
    changes = [FieldChange(path, 1, 2, ABSENT) for path in (*frozen, *free)]
    assert [change.path for change in frozen_fields(error, changes)] == frozen


@pytest.mark.parametrize(
    ("code", "message", "silent"),
    [
        (
            500,
            'Internal error occurred: failed calling webhook "x.io": failed to call webhook: Post "https://h": EOF',
            'the webhook "x.io" does not answer: Post "https://h": EOF',
        ),
        (
            500,
            'Internal error occurred: failed calling webhook "x.io": received invalid webhook response: no kind',
            'the webhook "x.io" does not answer: received invalid webhook response: no kind',
        ),
        (
            500,
            "conversion webhook for example.com/v1, Kind=Gear failed: Post https://h: context deadline exceeded",
            "the conversion webhook for example.com/v1, Kind=Gear does not answer: Post https://h: context deadline "
            "exceeded",
        ),
        (
            503,
            "metrics.k8s.io does not answer now (HTTP 503): no endpoints",
            "metrics.k8s.io does not answer now (HTTP 503): no endpoints",
        ),
        (504, "web was deleted but does not go away", ""),
        (403, 'admission webhook "x.io" denied the request: no', ""),
        (400, 'admission webhook "x.io" denied the request: failed calling webhook "y": z', ""),
        (500, "failed to create typed patch object (a/b; /v1, Kind=Secret): .x: field not declared in schema", ""),
    ],
)
def test_a_webhook_that_does_not_answer_is_told_from_one_that_denies(code, message, silent):
    error = ApiError(code, "InternalError", message)
    assert unanswered(error) == silent
    assert told(error) == (silent or message)


NEW = "failed to convert new object (a/b; /v1, Kind=Secret) to proper version: "


@pytest.mark.parametrize(
    ("code", "message", "is_own"),
    [
        (422, "Service is invalid", True),
        (400, 'Pod in version "v1" cannot be handled as a Pod', True),
        (500, "failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.x: field not declared", True),
        (500, f"{NEW}unable to convert unstructured object to /v1, Kind=Secret: illegal base64 data", True),
        (500, f"{NEW}conversion webhook for example.com/v1, Kind=Gear failed: Post https://h: refused", False),
        (500, "etcdserver: request timed out, after we failed to create typed patch object (a/b; v1)", False),
        (403, "quota exceeded", False),
        (422, 'admission webhook "x.io" denied the request', False),
    ],
)
def test_a_refusal_for_what_is_written_is_told_from_one_that_may_pass(code, message, is_own):
    assert is_of_itself(ApiError(code, "", message)) is is_own


def test_a_field_that_cannot_be_changed_is_named_as_the_server_names_it_where_no_change_is_known():
    cause = {"field": "spec.selector", "message": "Invalid value: 1: field is immutable"}
    error = ApiError(422, "Invalid", "Deployment is invalid", {"details": {"causes": [cause]}})
    assert immutable_reason(error, ()) == "spec.selector cannot be changed (field is immutable)"
    assert immutable_reason(error, (FieldChange("spec.selector.app", 1, 2, Unknown()),)).startswith(
        "spec.selector.app "
    )
