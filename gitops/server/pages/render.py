"""Makes HTML of templates: whatever is put in is text, times are relative with the exact one to see."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gitops.model.revision import short
from gitops.server.pages.commit_link import commit_link
from gitops.server.problems import Problem

_TEMPLATES: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parents[1] / "static"
_STEPS: Final = ((60, "second"), (60, "minute"), (24, "hour"), (365, "day"))
_MOST_VALUE: Final = 600
# The text of a page before it was said who looks.
MADE: Final = web.ResponseKey("made", str)


class Renderer:
    """The templates, with the time of `now` for what is relative."""

    def __init__(self, now: Callable[[], datetime], version: str) -> None:
        self._now = now
        loader = FileSystemLoader(_TEMPLATES)
        # Autoescape is on for all: a template here makes HTML and nothing else.
        self._env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        self._env.lstrip_blocks = True
        self._env.globals |= {"version": version, "look": _look()}
        self._env.filters |= {"ago": self._ago, "short": short, "value": shown_value, "query": urlencode, "way": way}
        self._env.filters |= {"of_object": of_object, "commit_link": commit_link}
        self._who = secrets.token_hex(16)  # stands for who looks; nobody else's text has it

    def page(self, name: str, status: int = 200, **values: Any) -> web.Response:
        """The page that a template makes."""
        return self.response(self._env.get_template(name).render(who=self._who, **values), values, status)

    def response(self, text: str, values: Mapping[str, Any], status: int = 200) -> web.Response:
        """A page that was made already, for somebody who sees the same: only who looks is put in."""
        who = self._env.get_template("who.html").render(**values)
        headers = {"Cache-Control": "no-store"}
        whole = text.replace(self._who, who)
        found = web.Response(text=whole, status=status, content_type="text/html", charset="utf-8", headers=headers)
        found[MADE] = text
        return found

    def _ago(self, at: str) -> Markup:
        """A time as `<time>`; text that is none is shown as it is."""
        if not at:
            return Markup("")
        try:
            moment = datetime.fromisoformat(at)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            exact = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            words = relative((self._now() - moment).total_seconds())
        except (ValueError, OverflowError, TypeError):
            return Markup("<span>{}</span>").format(at)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(at, exact, words)


def _look() -> str:
    """What names our style and script as they are: a browser keeps those of another version no longer."""
    parts = [path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]


def relative(seconds: float) -> str:
    """ "3 minutes ago", "in 2 days", "just now"."""
    left = abs(seconds)
    if left < 5:
        return "just now"
    for size, unit in _STEPS:
        if left < size or unit == "day":
            count = int(left)
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
        left /= size
    raise AssertionError("the last step has no end")


def shown_value(value: Any) -> str:
    """A field's value in one line or several, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    more = len(text) - _MOST_VALUE
    return f"{text[:_MOST_VALUE]}… ({more} more characters)" if more > 0 else text


def way(application: str, *parts: str) -> str:
    """The address of an Application's page, or of a part of it."""
    return "/applications/" + "/".join(quote(part, safe="") for part in (*application.split("/", 1), *parts))


def of_object(node: Mapping[str, Any]) -> str:
    """The query that names an object: as its page and its logs take it."""
    names = {"kind": node["kind"], "object": node["name"], "group": node["group"], "namespace": node["namespace"]}
    return urlencode({name: value for name, value in names.items() if value})


def error_page(renderer: Renderer, problem: Problem, shared: Mapping[str, Any]) -> web.Response:
    """A problem for a person, with what to do about it."""
    return renderer.page("error.html", problem.status, problem=problem, **shared)
