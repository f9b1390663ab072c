"""The kubeconfig that reaches an embedded cluster."""

import base64
import json


def kubeconfig(url: str, ca_pem: str, token: str) -> str:
    """A kubeconfig (JSON is YAML) with one cluster, user and context, all named gitops-sandbox."""
    name = "gitops-sandbox"
    authority = base64.b64encode(ca_pem.encode()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    return json.dumps(document, indent=2) + "\n"
