"""Asks an API server whose a bearer token is."""

from typing import Final

from gitops.adapters.kubernetes.http import Http
from gitops.manifests.key import Body

_PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"


class TokenReviews:
    """TokenReviews of one API server; nothing is stored by them."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def __call__(self, token: str, audience: str) -> Body:
        """The status of the review. Raises ApiError where we may not ask, UnreachableError where nothing answers."""
        spec = {"token": token, "audiences": [audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": spec}
        # A dry-run of what stores nothing is the same; and a replica that only stands by may ask as well.
        answer = await self._http.request("POST", _PATH, query={"dryRun": "All"}, body=body)
        status = answer.get("status")
        if not isinstance(status, dict):
            raise self._http.not_as_asked("a TokenReview without a status")
        return status
