"""What people know an Application by: images and hosts, wherever an object of a stranger's says them."""

from gitops.engine.contents import contents_of
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin


def contents(*bodies):
    found = [{"apiVersion": "v1", "metadata": {"name": f"one-{number}"}, **body} for number, body in enumerate(bodies)]
    return contents_of([Manifest(key_of(body), body, Origin("a.yaml", 1)) for body in found], "d")


def pods(*images):
    return {"containers": [{"name": "a", "image": image} for image in images]}


def test_images_are_found_in_whatever_makes_pods():
    template = {"template": {"spec": pods("web:1", "side:2")}}
    found = contents(
        {"kind": "Deployment", "spec": template},
        {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pods("job:3")}}}}},
        {"kind": "Pod", "spec": {**pods("pod:4"), "initContainers": [{"image": "first:5"}]}},
        {"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1", "spec": template},
    )
    assert found.images == ("first:5", "job:3", "pod:4", "side:2", "web:1")


def test_hosts_are_those_of_ingresses_gateways_and_routes_and_nothing_that_is_no_name():
    found = contents(
        {"kind": "Ingress", "spec": {"rules": [{"host": "shop.example.com"}, {"http": {}}, {"host": "a b"}]}},
        {"kind": "HTTPRoute", "spec": {"hostnames": ["api.example.com", "*.example.org", 'x"onclick=', 7]}},
        {"kind": "Gateway", "spec": {"listeners": [{"hostname": "gw.example.com"}]}},
        {"kind": "Route", "spec": {"host": "route.example.com"}},
        {"kind": "Thing", "spec": {"host": "not.example.com"}},
    )
    names = ("*.example.org", "api.example.com", "gw.example.com", "route.example.com", "shop.example.com")
    assert found.hosts == names


def test_a_body_of_any_shape_is_read_to_its_end_and_very_many_are_cut():
    odd = contents(
        {"kind": "Pod", "spec": []}, {"kind": "Job", "spec": {"template": "x"}}, {"kind": "Pod", "spec": None}
    )
    assert (odd.images, odd.hosts) == ((), ())
    assert len(contents({"kind": "Pod", "spec": pods(*(f"i:{number}" for number in range(200)))}).images) == 50
    assert contents({"kind": "Pod", "spec": pods("x" * 301, "")}).images == ()
