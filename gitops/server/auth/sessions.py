"""What we give a browser to keep and take back as it was: signed by the store's key, for one purpose and a while.

It is signed, not hidden: what is in it is the browser's own person's to read.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from gitops.server.problems import Problem

_LONGEST: Final = 3_800  # a browser keeps no longer cookie


class Sessions:
    """`seal` is a keyed digest of a text, the same on each replica; `issuer` whose people they are of."""

    def __init__(self, seal: Callable[[str], str], issuer: str, now: Callable[[], datetime]) -> None:
        self._seal = seal
        self._issuer = issuer
        self._now = now

    def sealed(self, purpose: str, data: dict[str, Any], lasts: timedelta) -> str:
        """The text to keep. Raises Problem for more than a browser keeps, StoreError without a key."""
        until = int((self._now() + lasts).timestamp())
        body = base64.urlsafe_b64encode(orjson.dumps({"until": until, "data": data})).decode().rstrip("=")
        found = f"{body}.{self._mac(purpose, body)}"
        if len(found) > _LONGEST:
            detail = "the provider names more groups than a browser keeps: have it send those only that are of use here"
            raise Problem(403, "Too many groups", detail)
        return found

    def opened(self, purpose: str, text: str) -> dict[str, Any] | None:
        """What is in a text that we sealed for this purpose, while it counts; None for anything else."""
        body, _, mac = text.partition(".")
        if not body or len(text) > _LONGEST or not text.isascii():
            return None
        if not hmac.compare_digest(mac, self._mac(purpose, body)):
            return None
        try:
            found = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (ValueError, binascii.Error):
            return None
        return found["data"] if self._now().timestamp() < found["until"] else None

    def _mac(self, purpose: str, body: str) -> str:
        # A text of several parts is sealed as JSON, so that no part can be taken for the end of another.
        return self._seal("session:" + orjson.dumps([purpose, self._issuer, body]).decode())
