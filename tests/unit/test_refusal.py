"""What is said of a refusal, and shown of the way around it."""

from gitops.engine.refusal import changes_by_recreation, changes_of


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
