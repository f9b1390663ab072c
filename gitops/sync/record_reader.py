"""Reads what controllers that share the store told of Applications."""

from datetime import datetime

from gitops.model.app_name import fits
from gitops.model.record import CONTROLLER, RECORD, SEEN, SEEN_SECONDS, Record, record_in
from gitops.ports import Store


async def stored_record(store: Store, identity: str) -> Record | None:
    """What a controller that shares the store told of the Application last."""
    text = await store.setting(identity, RECORD)
    return None if text is None else record_in(text)


async def unseen_since(store: Store, now: datetime) -> str:
    """When a controller was seen last, where that is so long ago that none can be there; "" while one may be."""
    at = await store.setting(CONTROLLER, SEEN)
    if at is None:
        return ""
    try:
        is_gone = (now - datetime.fromisoformat(at)).total_seconds() > 3 * SEEN_SECONDS
    except (ValueError, TypeError):  # damaged, or without its time zone
        return "a time that cannot be read"
    return at if is_gone else ""


async def known_as(store: Store, name: str, namespace: str = "") -> str:
    """The identity of the Application called `name` (NAME or NAMESPACE/NAME) that goes to `namespace` ("" = any).

    `name` itself where no controller told of one, or of several.
    """
    if "/" in name:
        return name
    stored = {identity: record_in(text) for identity, text in (await store.settings(RECORD)).items()}
    found = [identity for identity, record in stored.items() if fits(identity, record.namespace, name, namespace)]
    return found[0] if len(found) == 1 else name
