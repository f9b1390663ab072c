"""The comment on a pull request that a CI run keeps up to date; what differs by host is in `review_hosts`.

A comment is told by its first line, and written anew only where the host lets this token do so. Of two runs that write
their first one at once, each looks again afterwards: the older of both stays, with the words of whoever came later, and
the other one is taken away, if it is by the same author.
"""

import json
from collections.abc import Iterator
from typing import Final

from gitops.adapters.http_get import Answer, HttpReader, Way
from gitops.adapters.review_hosts import Ask, Comment, ReviewHost
from gitops.bounds import parsed
from gitops.model.errors import SourceError

_MOST_ANSWER: Final = 8 * 1024 * 1024
_MOST_PAGES: Final = 10
_NOT_OURS: Final = (403, 404)  # somebody else's, or gone
_OUTDATED: Final = 409  # another run has written it since


class ReviewComments:
    """The comments of one pull request; `ca_file` is trusted besides what the machine trusts."""

    def __init__(self, host: ReviewHost, ca_file: str = "") -> None:
        self._host = host
        self._reader = HttpReader("anywhere", Way(ca_file=ca_file))

    def keep(self, title: str, text: str) -> bool:
        """Write the comment with this title, or write it anew; True where it was there. Raises SourceError."""
        mark = self._mark(title)
        whole = f"{mark}\n{text}"
        if (kept := self._written(mark, whole)) is not None:
            self._clear(mark, kept)
            return True
        answer = self._ask(self._host.post(whole))
        if answer.status >= 300:
            raise self._refused(answer)
        # Another run may have done the same just now.
        if len(found := self._marked(mark)) > 1 and (kept := self._written(mark, whole, found)) is not None:
            self._clear(mark, kept)
        return False

    def _mark(self, title: str) -> str:
        """A first line that nobody sees: a comment of HTML, or where that is shown, a link that nothing refers to."""
        if self._host.folds:
            return f"<!-- {title} -->"
        return f"[//]: # ({title.replace('(', '[').replace(')', ']')})\n"

    def _written(self, mark: str, text: str, found: list[Comment] | None = None) -> Comment | None:
        """The oldest comment of ours that could be written anew, None for none."""
        for comment in self._marked(mark) if found is None else found:
            answer = self._ask(self._host.write(comment, text))
            if answer.status == _OUTDATED:  # what the other run wrote is as new as this
                return comment
            if answer.status < 300:
                return comment
            if answer.status not in _NOT_OURS:
                raise self._refused(answer)
        return None

    def _clear(self, mark: str, kept: Comment) -> None:
        """Take away what the same author wrote of it later."""
        for comment in self._marked(mark):
            if comment.number > kept.number and comment.author == kept.author != "":
                answer = self._ask(self._host.delete(comment))
                if answer.status >= 300 and answer.status not in (*_NOT_OURS, _OUTDATED):
                    raise self._refused(answer)

    def _marked(self, mark: str) -> list[Comment]:
        """The comments that begin with the mark, the oldest first."""
        begins = mark.rstrip("\n")
        return sorted((one for one in self._all() if one.text.startswith(begins)), key=lambda one: one.number)

    def _all(self) -> Iterator[Comment]:
        ask: Ask | None = self._host.first()
        for _ in range(_MOST_PAGES):
            if ask is None:
                return
            answer = self._ask(ask)
            if answer.status >= 300:
                raise self._refused(answer)
            try:
                found, ask = self._host.page(parsed(answer.data), ask)
            except (ValueError, TypeError, KeyError, AttributeError) as exc:
                why = f"{self._host.name}: its comments cannot be read: the host's answer is no list"
                raise SourceError(why) from exc
            yield from found

    def _ask(self, ask: Ask) -> Answer:
        data = b"" if ask.body is None else json.dumps(ask.body).encode()
        return self._reader.send(ask.method, ask.url, self._host.headers, data, most=_MOST_ANSWER)

    def _refused(self, answer: Answer) -> SourceError:
        advice = " (may the token write comments?)" if answer.status in (401, 403, 404) else ""
        return SourceError(f"{self._host.name}: the comment is refused with {answer.status}{advice}")
