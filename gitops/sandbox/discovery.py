"""What a server tells of itself: groups, versions and resources, in the old and the aggregated form."""

from gitops.manifests.key import Body
from gitops.sandbox.resources import Registry, Resource

VERSION: Body = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "$Format:%H$",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def legacy_versions(address: str) -> Body:
    """/api in the old form."""
    served = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": served}


def groups(registry: Registry) -> Body:
    """/apis in the old form."""
    listed = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(registry: Registry, name: str) -> Body:
    """/apis/GROUP."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, registry.groups()[name])}


def _group(name: str, versions: list[str]) -> Body:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resources(registry: Registry, group_name: str, version: str) -> Body:
    """/api/v1 or /apis/GROUP/VERSION."""
    listed = []
    for resource in registry.resources(group_name, version):
        listed.append(_resource(resource))
        for sub in resource.subresources:
            entry: Body = {
                "name": f"{resource.plural}/{sub.name}",
                "singularName": "",
                "namespaced": resource.namespaced,
            }
            if sub.version:
                entry |= {"group": sub.group, "version": sub.version}
            listed.append({**entry, "kind": sub.kind, "verbs": list(sub.verbs)})
    head: Body = {"kind": "APIResourceList"}
    if group_name:
        head["apiVersion"] = "v1"
    return {**head, "groupVersion": f"{group_name}/{version}" if group_name else version, "resources": listed}


def _resource(resource: Resource) -> Body:
    entry: Body = {
        "name": resource.plural,
        "singularName": resource.names.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.names.short:
        entry["shortNames"] = list(resource.names.short)
    if resource.names.categories:
        entry["categories"] = list(resource.names.categories)
    if resource.storage_version_hash:
        entry["storageVersionHash"] = resource.storage_version_hash
    return entry


def aggregated(registry: Registry, *, core: bool) -> Body:
    """/api or /apis with every group's resources in one answer."""
    items = [
        _aggregated_group(registry, name, versions)
        for name, versions in registry.groups().items()
        if (not name) is core
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_group(registry: Registry, name: str, versions: list[str]) -> Body:
    listed = [
        {
            "version": version,
            "resources": [_aggregated_resource(resource) for resource in registry.resources(name, version)],
            "freshness": "Current",
        }
        for version in versions
    ]
    return {"metadata": {"name": name} if name else {}, "versions": listed}


def _aggregated_resource(resource: Resource) -> Body:
    custom = resource.custom is not None
    kind: Body = {"group": "", "version": "", "kind": resource.kind}
    if custom:
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    entry: Body = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.names.singular,
        "verbs": list(resource.verbs),
    }
    if resource.names.short:
        entry["shortNames"] = list(resource.names.short)
    if resource.names.categories:
        entry["categories"] = list(resource.names.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind}
                if sub.version or not custom
                else kind,
                "verbs": list(sub.verbs),
            }
            for sub in resource.subresources
        ]
    return entry
