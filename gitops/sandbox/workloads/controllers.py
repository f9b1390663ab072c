"""The simulated controllers of a cluster, together."""

from gitops.sandbox.cluster import Cluster


class Controllers:
    def __init__(self, cluster: Cluster, ca_pem: str) -> None:
        self._cluster = cluster

    def close(self) -> None:
        return None
