"""Webhooks in: a push is looked at as soon as its host tells of it, instead of at the next interval.

A webhook can do no more than that: it has a repository looked at, and says nothing of what is in it. So one that comes
again is answered and does nothing, and a burst of them is one look.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

from gitops.bounds import parsed
from gitops.controller.app import Controller
from gitops.controller.flux_receivers import UNSIGNED
from gitops.model.source_name import are_same
from gitops.server.webhooks.pushes import Push, push_of
from gitops.server.webhooks.signatures import KINDS, UNSIGNED_KINDS, is_path_of, is_signed

log = structlog.get_logger()
_MOST_BYTES: Final = 5 * 1024 * 1024
_SEEN: Final = 4096
_ALIKE: Final = ("generic", *UNSIGNED_KINDS)  # whose pushes may all look alike
_OFF: Final = "webhooks are off here: set GITOPS_SECRET_WEBHOOK to the secret that the host signs with\n"


class Webhooks:
    """`secrets` gives the text of a secret of the operator's, "" for none; a Flux Receiver has its own."""

    def __init__(self, controller: Controller, secrets: Callable[[str], str]) -> None:
        self._controller = controller
        self._secrets = secrets
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/webhook/{kind}", self._webhook),
            web.post("/webhook/{kind}/{token}", self._webhook),
            web.post("/hook/{path}", self._hook),
        ]

    async def _webhook(self, request: web.Request) -> web.Response:
        kind, token = request.match_info["kind"], request.match_info.get("token", "")
        if kind not in KINDS or (token and kind not in UNSIGNED_KINDS):
            return web.Response(status=404, text=f"no such webhook; there are {', '.join(KINDS)}\n")
        secret = self._secrets(f"webhook-{kind}") or self._secrets("webhook")
        if not secret:
            return web.Response(status=404, text=_OFF)
        body = await _body(request)
        refusal = self._refusal(UNSIGNED if is_path_of(kind, token, secret) else kind, request, body, secret)
        if refusal is not None or body is None:
            return refusal or _too_large()
        if kind not in _ALIKE and self._is_again(body):
            return web.Response(text="seen before\n")
        try:
            push = push_of(kind, parsed(body))
        except ValueError:
            return web.Response(status=400, text="expected JSON\n")
        count = self._wake(push) if push is not None else 0
        return web.Response(status=202, text=f"{count} looked at\n")

    async def _hook(self, request: web.Request) -> web.Response:
        """A path that only who knows the secret can know; most kinds sign all the same."""
        receivers = self._controller.resources.receivers
        receiver = receivers.find(request.match_info["path"]) if receivers is not None else None
        if receiver is None:
            return web.Response(status=404, text="no such receiver\n")
        body = await _body(request)
        refusal = self._refusal(receiver.kind, request, body, receiver.secret)
        if refusal is not None:
            return refusal
        return web.Response(text=f"{receiver.wake()} looked at\n")

    def _refusal(self, kind: str, request: web.Request, body: bytes | None, secret: str) -> web.Response | None:
        if body is None:
            return _too_large()
        headers = {name.lower(): text for name, text in request.headers.items()}
        if kind == UNSIGNED or is_signed(kind, headers, body, secret):
            return None
        log.warning("webhook.refused", kind=kind, peer=request.remote)
        return web.Response(status=401, text="the signature does not fit the secret\n")

    def _is_again(self, body: bytes) -> bool:
        digest = hashlib.sha256(body).digest()
        if digest in self._seen:
            return True
        self._seen[digest] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return False

    def _wake(self, push: Push) -> int:
        """Have the repositories of this push looked at; how many Applications that is for."""
        found = [
            state
            for state in self._controller.index
            if any(
                any(are_same(source.repoURL, address) for address in push.addresses)
                and _may_mean(source.targetRevision, push.refs)
                for source in state.app.all_sources
            )
        ]
        for state in found:
            self._controller.poller.wake(state)
        log.info("webhook.taken", repository=push.addresses[0], applications=len(found))
        return len(found)


def _may_mean(target: str, refs: tuple[str, ...]) -> bool:
    """Whether a push to these branches and tags may move a target revision: a range, say, may be moved by any."""
    is_plain = target.replace("/", "").replace("-", "").replace("_", "").isalpha()
    return not refs or not is_plain or target in ("HEAD", *refs)


async def _body(request: web.Request) -> bytes | None:
    """None for one that is larger than any host's; it is not read to its end."""
    found = bytearray()
    async for chunk in request.content.iter_any():
        found += chunk
        if len(found) > _MOST_BYTES:
            return None
        await asyncio.sleep(0)
    return bytes(found)


def _too_large() -> web.Response:
    return web.Response(status=413, text=f"expected at most {_MOST_BYTES // 2**20} MiB\n")
