"""Sends notifications over HTTP: within bounds of time and size, and with nothing secret in what is said of an error.

An operator's destination may be anywhere, as the operator's own commands may; a tenant's is in the network, and not on
the controller's machine. No redirect is followed, so that credentials stay where they are for.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

from gitops.adapters.http_get import Answer, HttpReader, Reach, Way, shown_url
from gitops.adapters.notifiers import apprise_sender, chat, commit_status, events
from gitops.adapters.notifiers.login import Login
from gitops.adapters.notifiers.message import Message, Post
from gitops.bounds import parsed
from gitops.engine.notifications import plain
from gitops.model.errors import ConfigError, GitopsError, NotificationError, SourceError
from gitops.model.notification import Notification, Place

_SECONDS: Final = 10.0
_MOST_ANSWER: Final = 64 * 1024
_MOST_SAID: Final = 200
_LONGEST_PAUSE: Final = 3600.0
_THREADS: Final = 64
_REACH: Final[dict[str, Reach]] = {"own": "anywhere", "flux": "network"}
# Worth another try: the others of 4xx say that this will not be taken.
_AGAIN: Final = frozenset((408, 425, 429))
T = TypeVar("T")
Format = Callable[[Message], tuple[Post, ...]]
FORMATS: Final[dict[str, Format]] = {
    "webhook": events.webhook,
    "cloudevents": events.cloudevents,
    "slack": chat.slack,
    "msteams": chat.msteams,
    "discord": chat.discord,
    "googlechat": chat.googlechat,
    "telegram": chat.telegram,
    "webex": chat.webex,
    "matrix": chat.matrix,
    "alertmanager": events.alertmanager,
    "grafana": events.grafana,
    "github": commit_status.github,
    "gitlab": commit_status.gitlab,
    "gitea": commit_status.gitea,
    "bitbucket": commit_status.bitbucket,
    "bitbucket-server": commit_status.bitbucket_server,
    "azure-devops": commit_status.azure_devops,
}
# Those that are known where they are.
_HAS_ADDRESS: Final = frozenset(("slack", "telegram", "webex"))


class HttpNotifier:
    """`gitops.ports.Notifier`; `login` gives, in a thread, the credentials of a place."""

    def __init__(self, login: Callable[[Place], Login]) -> None:
        self._login = login
        self._places = asyncio.Semaphore(_THREADS)

    async def send(self, place: Place, note: Notification, text: str) -> bool:
        """Tell a place; False where it has no use for such a notification. Raises NotificationError."""
        async with self._places:
            return await _in_thread(partial(self._send, place, note, text))

    def _send(self, place: Place, note: Notification, text: str) -> bool:
        try:
            login = self._login(place)
        except ConfigError as exc:
            raise NotificationError(str(exc)) from exc
        except GitopsError as exc:
            raise NotificationError(f"its credentials cannot be read: {exc}") from exc
        message = Message(place, login, note, text)
        try:
            if place.spec.type == "apprise":
                apprise_sender.send(message.address, note, text)
                return True
            posts = posts_of(message)
            reader = _reader(place, login)
            for post in posts:
                _deliver(reader, post, login, tells_more=place.style == "own")
        except NotificationError as exc:
            hidden = _hidden(str(exc), login)
            raise NotificationError(hidden, is_final=exc.is_final, after=exc.after) from None
        return bool(posts)


async def _in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, in a thread of its own: one that waits for a silent host keeps no place of others, and does
    not keep the program from ending.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: Future[T]) -> None:
        if not answer.done():
            error = result.exception()
            answer.set_result(result.result()) if error is None else answer.set_exception(error)

    def run() -> None:
        result: Future[T] = Future()
        try:
            result.set_result(work())
        except Exception as exc:  # noqa: BLE001 - raised where it is awaited
            result.set_exception(exc)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=run, name="notify", daemon=True).start()
    return await answer


def posts_of(message: Message) -> tuple[Post, ...]:
    """What sends a message. Raises NotificationError for a place without an address."""
    kind = message.place.spec.type
    if not message.address and kind not in _HAS_ADDRESS:
        raise NotificationError("has no address: neither `url`, nor an address in what secretRef names", is_final=True)
    try:
        return FORMATS[kind](message)
    except ValueError as exc:  # an address that is none
        raise NotificationError("its address cannot be read", is_final=True) from exc


def _reader(place: Place, login: Login) -> HttpReader:
    proxy = login.proxy or place.spec.proxy
    way = Way(ca_file=place.spec.caFile, ca=login.ca, proxy=proxy)
    return HttpReader(_REACH[place.style], way, seconds=_SECONDS)


def _deliver(reader: HttpReader, post: Post, login: Login, *, tells_more: bool) -> None:
    """Raises NotificationError; it may hold what is secret."""
    _check_headers(post.headers)
    host = _host(post.url)
    try:
        answer = reader.send(post.method, post.url, post.headers, post.data, most=_MOST_ANSWER)
    except SourceError as exc:
        why = str(exc).removeprefix(shown_url(post.url)).lstrip(": ")
        raise NotificationError(f"{host}: {why}") from None
    if 200 <= answer.status < 300 and (not post.says_ok or _is_ok(answer)):
        return
    if answer.status == 400 and post.done and post.done in answer.data:
        return
    said = plain(answer.data.decode("utf-8", "replace"), 4 * _MOST_SAID) if tells_more else ""
    text = f"{host}: answered {answer.status}{': ' if said else ''}{_hidden(said, login)[:_MOST_SAID]}"
    is_final = answer.status < 500 and answer.status not in _AGAIN
    raise NotificationError(text, is_final=is_final, after=_pause(answer))


def _is_ok(answer: Answer) -> bool:
    with contextlib.suppress(ValueError):
        found = parsed(answer.data)
        return isinstance(found, dict) and found.get("ok") is True
    return False


def _pause(answer: Answer) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE) if text.isdecimal() and len(text) < 6 else 0.0


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raise NotificationError for what could end a header, and begin another one."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and name.isascii() and name.replace("-", "").isalnum()):
            raise NotificationError("the credentials hold a line break, or a letter for no header", is_final=True)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2][:200]
    except ValueError:
        return "its address"


def _hidden(text: str, login: Login) -> str:
    """Without anything secret: what a host repeats of an address or a token is taken out."""
    for secret in login.secrets:
        text = text.replace(secret, "...")
    return text
