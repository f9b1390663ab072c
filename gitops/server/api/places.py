"""What the API tells of the clusters that Applications go to, and of the repositories that they come from.

It is put together of the Applications that whoever asks may see: what only others use is not there. No credential is.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gitops.controller.state import ApplicationState
from gitops.model.source_name import without_userinfo
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import number

STATES: Final = ("failing", "well", "waiting", "elsewhere")  # in the order in which they are told
_MOST: Final = 500
_MOST_TARGETS: Final = 20
_MOST_TEXT: Final = 2000


async def list_clusters(call: Call) -> dict[str, Any]:
    controller = call.served.overview.controller
    groups = _grouped((state.cluster, state) for state in _seen(call))
    found = []
    for name, states in groups.items():
        worker = controller.workers.get(name)
        here = [state for state in states if controller.runs(state.identity)]
        trouble = next((state.last.error for state in here if state.last.is_away), "")
        if worker is None and not trouble:
            trouble = next((state.last.error for state in here if state.last.error), "")
        found.append(
            {
                "cluster": name or "in-cluster",
                "server": worker.deps.cluster.name if worker else "",
                "state": _state(is_here=bool(here), is_known=worker is not None, trouble=trouble),
                "applications": len(states),
                "lastSync": max((state.times.synced_at for state in states), default=""),
                "trouble": trouble[:_MOST_TEXT],
            }
        )
    return _page(call, found, "cluster")


async def list_repositories(call: Call) -> dict[str, Any]:
    controller = call.served.overview.controller
    named = ((_address(source), state) for state in _seen(call) for source in state.app.all_sources)
    found = []
    for address, states in _grouped(named).items():
        here = [state for state in states if controller.runs(state.identity)]
        looked_at = max((controller.poller.looked_at(state) for state in here), default="")
        trouble = next((state.source.look_error for state in here if state.source.look_error), "")
        targets = {one.targetRevision for state in states for one in state.app.all_sources if _address(one) == address}
        found.append(
            {
                "repository": address,
                "state": _state(is_here=bool(here), is_known=bool(looked_at), trouble=trouble),
                "applications": len(states),
                "targets": sorted(targets)[:_MOST_TARGETS],
                "interval": min(state.app.interval for state in states),
                "lookedAt": looked_at,
                "trouble": trouble[:_MOST_TEXT],
            }
        )
    return _page(call, found, "repository")


def _seen(call: Call) -> list[ApplicationState]:
    sees = call.sees
    return [state for state in call.served.overview.controller.index if sees(state.identity)]


def _grouped(named: Iterable[tuple[str, ApplicationState]]) -> dict[str, list[ApplicationState]]:
    """The Applications by what they have in common, each of them once."""
    found: dict[str, dict[str, ApplicationState]] = {}
    for name, state in named:
        found.setdefault(name, {})[state.identity] = state
    return {name: list(states.values()) for name, states in found.items()}


def _address(source: Any) -> str:
    return without_userinfo(source.repoURL)


def _state(*, is_here: bool, is_known: bool, trouble: str) -> str:
    if not is_here:
        return "elsewhere"
    return "failing" if trouble else "well" if is_known else "waiting"


def _page(call: Call, found: list[dict[str, Any]], by: str) -> dict[str, Any]:
    """What is wrong first; so many of them."""
    ordered: Iterator[Mapping[str, Any]] = iter(sorted(found, key=lambda one: (STATES.index(one["state"]), one[by])))
    items = list(ordered)[call["offset"] : call["offset"] + call["limit"]]
    return {"items": items, "total": len(found), "offset": call["offset"], "limit": call["limit"]}


_QUERY: Final = (
    number("offset", "How many to leave out.", 0, 1_000_000, 0),
    number("limit", "How many to give.", 1, _MOST, 100),
)
CLUSTERS: Final = Operation(
    "listClusters",
    "/clusters",
    "The clusters that Applications go to, and how each is.",
    "Clusters",
    list_clusters,
    _QUERY,
)
REPOSITORIES: Final = Operation(
    "listRepositories",
    "/repositories",
    "The repositories that Applications come from, and when each was looked at.",
    "Repositories",
    list_repositories,
    _QUERY,
)
OPERATIONS: Final = (CLUSTERS, REPOSITORIES)
