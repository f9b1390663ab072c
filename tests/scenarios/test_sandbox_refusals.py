"""What the embedded cluster refuses, in a real API server's words."""

import pytest

from tests.scenarios.api import APPLY, MERGE, Api, deployment

CORE = "/api/v1/namespaces/{}"
APPS = "/apis/apps/v1/namespaces/{}"
CLAIM = CORE + "/persistentvolumeclaims/data"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def api(request):
    from gitops.sandbox.server import SandboxThread

    with SandboxThread(nodes=1, speed=20.0) as running:
        yield Api(running)


@pytest.fixture
def place(api, request):
    digest = sum(ord(letter) * place for place, letter in enumerate(request.node.name, 1))
    return api.namespace(f"refused-{digest}")


def service(name, port=80, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": port, **spec.pop("of_port", {})}], **spec},
    }


def refused(answer, code=422):
    status, body = answer
    assert status == code, body
    return body["message"]


# --- Services -----------------------------------------------------------------------------------------------------


def test_no_two_services_have_one_node_port(api, place):
    path = CORE.format(place) + "/services"
    made = api.create(path, service("a", type="NodePort"))
    taken = made["spec"]["ports"][0]["nodePort"]
    asked = service("b", type="NodePort", of_port={"nodePort": taken})
    wanted = (
        f'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: {taken}: provided port is already allocated'
    )
    assert refused(api.apply(path + "/b", asked)) == wanted
    assert refused(api.apply(path + "/b", asked, dryRun="All")) == wanted
    api.create(path, service("b"))
    assert refused(api("PATCH", path + "/b", asked, type=MERGE)) == wanted
    api("DELETE", path + "/a")
    assert api("PATCH", path + "/b", asked, type=MERGE)[0] == 200


def test_no_two_services_have_one_address(api, place):
    path = CORE.format(place) + "/services"
    address = api.create(path, service("a"))["spec"]["clusterIP"]
    message = refused(api.apply(path + "/b", service("b", clusterIP=address)))
    assert message == (
        f'Service "b" is invalid: spec.clusterIPs: Invalid value: ["{address}"]: '
        f"failed to allocate IP {address}: provided IP is already allocated"
    )
    elsewhere = refused(api.apply(path + "/b", service("b", clusterIP="1.2.3.4")))
    assert elsewhere.endswith("failed to allocate IP 1.2.3.4: the provided network does not match the current range")


def test_one_port_may_have_one_number_over_two_protocols(api, place):
    both = [
        {"name": "tcp", "port": 53, "protocol": "TCP", "nodePort": 31053},
        {"name": "udp", "port": 53, "protocol": "UDP", "nodePort": 31053},
    ]
    path = CORE.format(place) + "/services/dns"
    body = {**service("dns"), "spec": {"type": "NodePort", "ports": both}}
    assert api.apply(path, body)[0] == 201
    both[1]["port"] = 54
    body = {**service("other"), "spec": {"type": "NodePort", "ports": [{**each, "nodePort": 31054} for each in both]}}
    assert "ports[1].nodePort" in refused(api.apply(CORE.format(place) + "/services/other", body))


# --- claims -------------------------------------------------------------------------------------------------------


def claim(size, storage_class="standard"):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "storageClassName": storage_class,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}


def bound(_, body):
    return body["status"].get("phase") == "Bound"


def test_a_claim_does_not_get_smaller(api, place):
    path = CLAIM.format(place)
    api.apply(path, claim("2Gi"))
    api.until(path, bound)
    assert refused(api.apply(path, claim("1Gi"))) == (
        'PersistentVolumeClaim "data" is invalid: spec.resources.requests.storage: Forbidden: '
        "field can not be less than status.capacity"
    )


def test_a_claim_grows_only_where_its_class_allows_it(api, place):
    path = CLAIM.format(place)
    api.apply(path, claim("1Gi"))
    api.until(path, bound)
    assert refused(api.apply(path, claim("2Gi")), 403) == (
        'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the '
        "storageclass that provisions the pvc must support resize"
    )
    api("DELETE", path)
    api.until(path, lambda status, _: status == 404)
    growing = {"metadata": {"name": "growing"}, "provisioner": "sandbox.gitops.dev/simulated"}
    api.create(CLASSES, {**growing, "allowVolumeExpansion": True})
    api.apply(path, claim("1Gi", "growing"))
    api.until(path, bound)
    assert api.apply(path, claim("2Gi", "growing"))[0] == 200
    api.until(path, lambda _, body: body["status"]["capacity"]["storage"] == "2Gi")


# --- applies ------------------------------------------------------------------------------------------------------


def test_half_a_union_that_another_manager_holds_refuses_the_other_half(api, place):
    path = APPS.format(place) + "/deployments/web"

    def with_variable(**value):
        body = deployment("web")
        body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", **value}]
        return body

    api.apply(path, with_variable(value="x"), manager="other")
    source = {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "a"}}}
    assert refused(api.apply(path, with_variable(**source), force="true")) == (
        'Deployment.apps "web" is invalid: spec.template.spec.containers[0].env[0].valueFrom: Invalid value: "": '
        "may not be specified when `value` is not empty"
    )


def test_two_sources_of_one_volume_are_refused_in_the_servers_order(api, place):
    path = APPS.format(place) + "/deployments/web"

    def with_volume(**source):
        body = deployment("web")
        body["spec"]["template"]["spec"]["volumes"] = [{"name": "v", **source}]
        return body

    api.apply(path, with_volume(configMap={"name": "c"}), manager="other")
    message = refused(api.apply(path, with_volume(emptyDir={}), force="true"))
    assert "spec.template.spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type" in message


def test_an_apply_of_another_kind_or_version_is_a_bad_request(api, place):
    path = CORE.format(place) + "/configmaps/a"
    for version, kind, shown in (
        ("v1", "Secret", "/v1, Kind=Secret"),
        ("apps/v1", "ConfigMap", "apps/v1, Kind=ConfigMap"),
    ):
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}
        assert refused(api.apply(path, body), 400) == f"invalid object type: {shown}"


def test_a_yaml_body_means_what_kubectl_reads_in_it(api, place):
    path = CORE.format(place) + "/configmaps"
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n"
    assert "cannot unmarshal bool" in refused(api("POST", path, body, type="application/yaml"), 400)
    message = refused(api("PATCH", path + "/y", body, type=APPLY, fieldManager="m"), 400)
    assert message == "the name of the object (y based on URL) was undeterminable: name must be provided"


# --- custom kinds -------------------------------------------------------------------------------------------------


def definition(plural, *versions):
    kind = plural.title()
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    listed = [
        {"name": name, "served": True, "storage": index == 0, "schema": schema} for index, name in enumerate(versions)
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": listed,
        },
    }


def established(_, body):
    return any(
        entry["type"] == "Established" and entry["status"] == "True"
        for entry in (body.get("status") or {}).get("conditions") or ()
    )


def custom(version, kind, **spec):
    return {"apiVersion": f"example.com/{version}", "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def test_no_apply_goes_through_while_somebody_owns_fields_at_a_version_that_is_gone(api, place):
    crd = f"{DEFINITIONS}/gears.example.com"
    api.apply(crd, definition("gears", "v2", "v1"))
    api.until(crd, established)
    path = "/apis/example.com/{}/namespaces/" + place + "/gears/a"
    assert api.apply(path.format("v1"), custom("v1", "Gears", size=1), manager="old")[0] == 201
    assert api.apply(path.format("v2"), custom("v2", "Gears", color="red"))[0] == 200
    assert api.apply(crd, definition("gears", "v2"))[0] == 200
    api.until(path.format("v1"), lambda status, _: status == 404)
    wanted = "request to convert CR to an invalid group/version: example.com/v1"
    assert refused(api.apply(path.format("v2"), custom("v2", "Gears", color="blue")), 500) == wanted
    # Any other write forgets who owned what, and then an apply goes through.
    assert api("PATCH", path.format("v2"), {"spec": {"color": "green"}}, type=MERGE)[0] == 200
    assert "managedFields" not in api.get(path.format("v2"))[1]["metadata"]
    assert api.apply(path.format("v2"), custom("v2", "Gears", color="blue"))[0] == 200


def test_nothing_new_is_made_of_a_kind_whose_definition_is_going(api, place):
    crd = f"{DEFINITIONS}/cogs.example.com"
    api.apply(crd, definition("cogs", "v1"))
    api.until(crd, established)
    path = f"/apis/example.com/v1/namespaces/{place}/cogs"
    held = {**custom("v1", "Cogs"), "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    api.create(path, held)
    api("DELETE", crd)
    why = "create not allowed while custom resource definition is terminating"
    assert refused(api.apply(path + "/a", custom("v1", "Cogs")), 403) == f'cogs.example.com "a" is forbidden: {why}'
    assert refused(api("POST", path, custom("v1", "Cogs")), 405) == why
    api("PATCH", path + "/held", {"metadata": {"finalizers": None}}, type=MERGE)
    api.until(crd, lambda status, _: status == 404)


# --- Pods that are refused ----------------------------------------------------------------------------------------


def quota(name="few", **hard):
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}}


def condition_of(body, kind):
    return next((entry for entry in (body.get("status") or {}).get("conditions") or () if entry["type"] == kind), None)


def test_a_deployment_says_why_a_quota_refuses_its_pods_until_it_does_not(api, place):
    api.create(CORE.format(place) + "/resourcequotas", quota(pods="1"))
    path = APPS.format(place) + "/deployments/web"
    api.apply(path, deployment("web", replicas=2))
    body = api.until(path, lambda _, body: condition_of(body, "ReplicaFailure") is not None)
    told = condition_of(body, "ReplicaFailure")
    assert (told["status"], told["reason"]) == ("True", "FailedCreate")
    assert "is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in told["message"]
    sets = api.get(APPS.format(place) + "/replicasets")[1]["items"]
    assert condition_of(sets[0], "ReplicaFailure")["message"] == told["message"]
    used = api.get(CORE.format(place) + "/resourcequotas/few")[1]["status"]
    assert used == {"hard": {"pods": "1"}, "used": {"pods": "1"}}
    api.apply(CORE.format(place) + "/resourcequotas/few", quota(pods="5"), force="true")
    api.until(
        path, lambda _, body: condition_of(body, "ReplicaFailure") is None and body["status"]["readyReplicas"] == 2
    )


def test_a_pod_that_does_not_say_what_a_quota_limits_is_refused(api, place):
    api.create(CORE.format(place) + "/resourcequotas", quota(**{"requests.cpu": "1", "limits.memory": "1Gi"}))
    path, pod = (
        CORE.format(place) + "/pods",
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    )
    wanted = 'pods "p" is forbidden: failed quota: few: must specify limits.memory for: c; requests.cpu for: c'
    assert refused(api("POST", path, pod), 403) == wanted
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}}
    wanted = "exceeded quota: few, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi"
    assert refused(api("POST", path, pod), 403).endswith(wanted)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job"])
def test_what_pod_security_refuses_is_told_in_events(api, place, kind):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api("PATCH", f"/api/v1/namespaces/{place}", {"metadata": {"labels": labels}}, type=MERGE)
    pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"template": pod, "selector": {"matchLabels": {"app": "x"}}}
    root = "apps"
    if kind == "Job":
        pod["spec"]["restartPolicy"] = "Never"
        spec, root = {"template": pod}, "batch"
    body = {"apiVersion": f"{root}/v1", "kind": kind, "metadata": {"name": "w"}, "spec": spec}
    api.apply(f"/apis/{root}/v1/namespaces/{place}/{kind.lower()}s/w", body)

    def is_told(_, events):
        return any(
            event["reason"] == "FailedCreate" and 'violates PodSecurity "restricted:latest"' in event["message"]
            for event in events["items"]
        )

    api.until(CORE.format(place) + "/events", is_told)


def test_a_namespace_whose_level_is_none_is_refused(api, place):
    labels = {"pod-security.kubernetes.io/enforce": "strict"}
    message = refused(api("PATCH", f"/api/v1/namespaces/{place}", {"metadata": {"labels": labels}}, type=MERGE))
    assert message == (
        f'Namespace "{place}" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: '
        'Invalid value: "strict": must be one of privileged, baseline, restricted'
    )


# --- other kinds --------------------------------------------------------------------------------------------------

NET = "/apis/networking.k8s.io/v1/namespaces/{}"
HPA = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"
BATCH = "/apis/batch/v1/namespaces/{}"
BUDGETS = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"
SERVICES = CORE + "/services"

PORTS = {"ports": [{"port": 80}]}
TARGET = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3}
POD = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"},
}


def of_cpu(**target):
    return {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", **target}}}]}


def from_block(**block):
    return {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}


REFUSED = {
    "a headless node port": (
        SERVICES,
        {**PORTS, "type": "NodePort", "clusterIP": "None"},
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
    ),
    "a class of load balancers without one": (
        SERVICES,
        {**PORTS, "loadBalancerClass": "example.com/lb"},
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ),
    "a policy for traffic that does not come": (
        SERVICES,
        {**PORTS, "externalTrafficPolicy": "Local"},
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ),
    "one node port twice": (
        SERVICES,
        {
            "type": "NodePort",
            "ports": [
                {"name": "a", "port": 80, "nodePort": 31999},
                {"name": "b", "port": 81, "nodePort": 31999, "protocol": "TCP"},
            ],
        },
        "spec.ports[1].nodePort: Invalid value: 31999: provided port is already allocated",
    ),
    "an affinity that lasts too long": (
        SERVICES,
        {
            **PORTS,
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90000}},
        },
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be",
    ),
    "a utilization of nothing": (
        HPA,
        {**TARGET, **of_cpu(averageUtilization=0)},
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
    ),
    "a window of scaling that is too long": (
        HPA,
        {**TARGET, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 4000}}},
        "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600",
    ),
    "a budget of more than all": (
        BUDGETS,
        {"minAvailable": "120%"},
        'spec.minAvailable: Invalid value: "120%": must not be greater than 100%',
    ),
    "a network that is none": (
        NET + "/networkpolicies",
        from_block(cidr="10.0.0.0"),
        'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value',
    ),
    "an exception out of its network": (
        NET + "/networkpolicies",
        from_block(cidr="10.0.0.0/16", **{"except": ["10.1.0.0/24"]}),
        'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.1.0.0/24": must be a strict subset of `cidr`',
    ),
    "a range of ports that ends before it begins": (
        NET + "/networkpolicies",
        {"podSelector": {}, "ingress": [{"ports": [{"port": 90, "endPort": 80}]}]},
        "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
    ),
    "a limit for each index of a job without any": (
        BATCH + "/jobs",
        {"template": POD, "backoffLimitPerIndex": 1},
        "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_kind_does_not_take_is_refused(api, place, what):
    path, spec, message = REFUSED[what]
    assert message in refused(api("POST", path.format(place), {"metadata": {"name": "x"}, "spec": spec}))


def test_a_service_that_is_no_load_balancer_any_more_loses_what_only_one_has(api, place):
    path = SERVICES.format(place) + "/lb"
    context = service("lb", type="LoadBalancer", externalTrafficPolicy="Local")
    made = api.apply(path, context)[1]
    assert made["spec"]["healthCheckNodePort"]
    plain = api.apply(path, service("lb"), force="true")[1]["spec"]
    assert plain["type"] == "ClusterIP"
    gone = {"healthCheckNodePort", "allocateLoadBalancerNodePorts", "externalTrafficPolicy"}
    assert not gone & plain.keys()
    assert "nodePort" not in plain["ports"][0]


def test_a_definition_keeps_a_version_in_which_objects_are_stored(api, place):
    crd = f"{DEFINITIONS}/wheels.example.com"
    api.apply(crd, definition("wheels", "v1"))
    api.until(crd, established)
    message = refused(api.apply(crd, definition("wheels", "v2")))
    assert 'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions' in message


@pytest.mark.parametrize(
    ("path", "spec", "count"),
    [
        (CORE + "/configmaps/m", {}, 4),
        (APPS + "/deployments/m", {"spec": deployment("m")["spec"]}, 3),
        (BUDGETS + "/m", {"spec": {"minAvailable": 1}}, 2),
    ],
)
def test_wrong_metadata_is_told_as_often_as_a_server_looks_at_it(api, place, path, spec, count):
    path = path.format(place)
    folder, _, name = path.rpartition("/")
    api.create(folder, {"metadata": {"name": name}, **spec})
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": ""}
    for wrong in ({"ownerReferences": [owner]}, {"annotations": {"long": "x" * 300_000}}):
        _, body = api("PATCH", path, {"metadata": wrong}, type=MERGE)
        assert body["code"] == 422, body
        assert len(body["details"]["causes"]) == count, body["details"]["causes"]
