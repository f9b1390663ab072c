"""What is said of a refusal, and shown of the way around it."""

from gitops.engine.refusal import changes_by_recreation


def test_an_item_that_is_new_is_shown_though_the_manifest_leaves_a_part_of_its_key_to_the_server():
    def with_ports(*ports):
        return {"metadata": {}, "spec": {"selector": {"a": str(len(ports))}, "ports": list(ports)}}

    live = with_ports({"port": 80, "protocol": "TCP"})
    guess = with_ports({"port": 80, "protocol": "TCP"}, {"port": 81})
    twin = with_ports({"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"})
    paths = [change.path for change in changes_by_recreation(live, guess, twin)]
    assert paths == ["spec.ports[port=81,protocol=TCP]", "spec.selector.a"]
