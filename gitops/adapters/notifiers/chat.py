"""Rooms of people: one text in the form of each service. What a text holds mentions nobody and is no link."""

from typing import Any, Final
from urllib.parse import quote, urlsplit

from gitops.adapters.notifiers.message import Message, Post, bearer, posted

_SLACK_API: Final = "https://slack.com/api/chat.postMessage"
_WEBEX_API: Final = "https://webexapis.com/v1/messages"
_TELEGRAM_API: Final = "https://api.telegram.org"
_COLOURS: Final = {"info": "good", "warning": "warning", "error": "danger"}
_CARD_COLOURS: Final = {"info": "good", "warning": "warning", "error": "attention"}


def slack(message: Message) -> tuple[Post, ...]:
    """An incoming webhook, or chat.postMessage with a bot's token; Rocket.Chat takes the same."""
    login, spec = message.login, message.place.spec
    address = message.address or _SLACK_API
    text = _for_slack(message.text)
    fields = [{"title": name, "value": _for_slack(value)} for name, value in sorted(message.place.metadata.items())]
    attachment: dict[str, Any] = {"color": _COLOURS[message.note.severity], "fallback": text, "text": text}
    attachment |= {"fields": fields} if fields else {}
    if message.note.url:
        attachment |= {"title": _for_slack(message.note.application), "title_link": message.note.url}
    value: dict[str, Any] = {"attachments": [attachment]}
    value |= {"channel": spec.channel} if spec.channel else {}
    value |= _named(message)
    headers = {"Authorization": f"Bearer {login.token}"} if login.token else {}
    return (posted(address, value, headers, says_ok=address == _SLACK_API),)


def _named(message: Message) -> dict[str, str]:
    """Under which name it is shown."""
    name = message.place.username or message.login.username
    return {"username": name} if name else {}


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def discord(message: Message) -> tuple[Post, ...]:
    """A webhook's message; an address in Slack's form, as Flux takes it, leads to the same."""
    value: dict[str, Any] = {"content": _with_url(message)[:2000], "allowed_mentions": {"parse": []}}
    value |= _named(message)
    return (posted(message.address.removesuffix("/slack"), value),)


def msteams(message: Message) -> tuple[Post, ...]:
    """An Adaptive Card for a workflow; a MessageCard for a connector of the older kind."""
    note, text = message.note, message.text.replace("](", "] (")
    if (urlsplit(message.address).hostname or "").endswith(".webhook.office.com"):
        card = {"@type": "MessageCard", "@context": "http://schema.org/extensions", "summary": text[:200], "text": text}
        return (posted(message.address, {**card, "themeColor": "0076D7" if note.severity == "info" else "FF0000"}),)
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": text, "wrap": True, "color": _CARD_COLOURS[note.severity]}
    ]
    facts = [{"title": name, "value": value} for name, value in sorted(message.place.metadata.items())]
    body += [{"type": "FactSet", "facts": facts}] if facts else []
    actions = [{"type": "Action.OpenUrl", "title": "Open", "url": note.url}] if note.url else []
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": actions,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return (posted(message.address, {"type": "message", "attachments": [attachment]}),)


def googlechat(message: Message) -> tuple[Post, ...]:
    """A webhook's message of plain text."""
    return (posted(message.address, {"text": _for_slack(_with_url(message))}),)


def telegram(message: Message) -> tuple[Post, ...]:
    """Without a parse mode, so that nothing in the text is markup; a channel may be `CHAT:THREAD`."""
    chat, _, thread = message.place.spec.channel.partition(":")
    value = {"chat_id": chat, "text": _with_url(message)} | ({"message_thread_id": thread} if thread else {})
    address = (message.address or _TELEGRAM_API).rstrip("/")
    return (posted(f"{address}/bot{quote(message.login.token, safe=':')}/sendMessage", value, says_ok=True),)


def webex(message: Message) -> tuple[Post, ...]:
    """A bot's message to the room that the channel names."""
    value = {"roomId": message.place.spec.channel, "text": _with_url(message)}
    return (posted(message.address or _WEBEX_API, value, bearer(message.login)),)


def matrix(message: Message) -> tuple[Post, ...]:
    """The notification's id is that of the transaction: the server takes it once."""
    room, transaction = quote(message.place.spec.channel, safe=""), quote(message.note.id, safe="")
    url = f"{message.address.rstrip('/')}/_matrix/client/v3/rooms/{room}/send/m.room.message/{transaction}"
    return (posted(url, {"msgtype": "m.text", "body": _with_url(message)}, bearer(message.login), method="PUT"),)


def _with_url(message: Message) -> str:
    metadata = "".join(f"\n{name}: {value}" for name, value in sorted(message.place.metadata.items()))
    return f"{message.text}{metadata}" + (f"\n{message.note.url}" if message.note.url else "")
