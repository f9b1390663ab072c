"""A rollout strategy is switched although the server had defaulted the old one's options.

Nobody owns a default, so leaving it out of an apply leaves it there, where the new strategy forbids it (422). Once it
is ours, the same apply takes it away.
"""

from typing import Any

from gitops.manifests.fields import FieldSet
from gitops.manifests.key import Body, ResourceKey

# Kind → the field of its strategy, and the type that allows no rollingUpdate beside it.
_WITHOUT_OPTIONS = {
    ("apps", "Deployment"): ("strategy", "Recreate"),
    ("apps", "StatefulSet"): ("updateStrategy", "OnDelete"),
}


def old_options(desired: Body, live: Body, key: ResourceKey) -> FieldSet:
    """The fields of `live` that the strategy in `desired` forbids and that `desired` leaves out; mostly none."""
    field, type_without = _WITHOUT_OPTIONS.get((key.group, key.kind), ("", ""))
    wanted, present = (_map(_map(body.get("spec")).get(field)) for body in (desired, live))
    if wanted.get("type") != type_without or "rollingUpdate" in wanted or "rollingUpdate" not in present:
        return {}
    options: FieldSet = {".": {}, **{f"f:{name}": {} for name in _map(present["rollingUpdate"])}}
    return {"f:spec": {f"f:{field}": {"f:rollingUpdate": options}}}


def strategy_path(key: ResourceKey) -> str:
    """ "spec.strategy": the field that a server complains of until the old options are ours; "" for other kinds."""
    field, _ = _WITHOUT_OPTIONS.get((key.group, key.kind), ("", ""))
    return f"spec.{field}" if field else ""


def _map(value: Any) -> Body:
    return value if isinstance(value, dict) else {}
