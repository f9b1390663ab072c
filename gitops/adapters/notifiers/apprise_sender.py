"""Everything that Apprise knows: mail, and some hundred services. Loaded when a destination asks for it."""

import logging
from typing import Any, Final

from gitops.model.errors import NotificationError
from gitops.model.notification import Notification

# What would act on the controller's own machine.
_LOCAL: Final = frozenset(("dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "syslog"))
_KINDS: Final = {"info": "info", "warning": "warning", "error": "failure"}


def send(address: str, note: Notification, text: str) -> None:
    """Have Apprise tell the service that `address` names. Raises NotificationError."""
    try:
        import apprise
    except ImportError as exc:
        raise NotificationError("apprise is not installed: pip install 'gitops-controller[notify]'") from exc
    schema = address.partition("://")[0].lower()
    logging.getLogger("apprise").disabled = True  # it writes addresses, and what services answer
    # No plug-in of this machine is loaded, and no file is read.
    asset = apprise.AppriseAsset(plugin_paths=[], async_mode=False, app_id="gitops", secure_logging=True)
    service: Any = apprise.Apprise(asset=asset)
    if schema in _LOCAL or not service.add(address):
        raise NotificationError("the address is none of a service that Apprise knows", is_final=True)
    body = f"{text}\n{note.url}" if note.url else text
    if not service.notify(body=body, title=f"gitops: {note.fact}", notify_type=_KINDS[note.severity]):
        raise NotificationError(f"the service ({schema}) did not take it")
