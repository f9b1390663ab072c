"""Which Application a person means, among those that a server knows."""

from typing import Any, Final

from gitops.adapters.api_client import ApiClient
from gitops.model.app_name import fits, nearest, several
from gitops.model.errors import ConfigError

_PER_PAGE: Final = 500
_MOST: Final = 50_000


async def all_rows(client: ApiClient, **query: Any) -> list[dict[str, Any]]:
    """All that the server lists, page by page."""
    rows: list[dict[str, Any]] = []
    while len(rows) < _MOST:
        page = await client.get("/applications", sort="name", offset=len(rows), limit=_PER_PAGE, **query)
        rows += page["items"]
        if not page["items"] or len(rows) >= page["total"]:
            break
    return rows


async def identity_of(client: ApiClient, app: str, namespace: str) -> str:
    """NAMESPACE/NAME of the one Application that is meant. Raises ConfigError where there is none, or several."""
    if "/" in app and not namespace:
        return app
    rows = await all_rows(client, q=app)
    found = [one for one in rows if fits(one["application"], one["namespace"], app, namespace)]
    if len(found) > 1:
        raise several(app, ((one["application"], one["namespace"]) for one in found))
    if not found:
        meant = nearest(app, (one["application"] for one in await all_rows(client)))
        raise ConfigError(f"{client.url} knows no Application {app}{meant and f' ({meant})'}")
    return str(found[0]["application"])


def way(identity: str, *parts: str) -> str:
    """The address of an Application in the API, or of a part of it."""
    return "/".join(("/applications", identity, *parts))
