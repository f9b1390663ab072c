"""The tokens of a template one after the other, and errors that name the line as Go does."""

from bisect import bisect
from typing import Final

from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.lexer import Token, tokens_of
from renderers.helm.gotemplate.quoting import quote

KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)


class TokenReader:
    """`next` is where it stands; `action_at` is where the action begins that is read, -1 outside of one."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.next = 0
        self.action_at = -1
        self._tokens, self._uncounted = tokens_of(text)
        self._last = len(self._tokens) - 1
        self._seen = 0

    def peek(self) -> Token:
        """The token that comes next."""
        at = self.next
        if at > self._seen:  # noqa: PLR1730 -- max takes twice as long, and this runs for each token
            self._seen = at
        return self._tokens[at]

    def take(self) -> Token:
        """The token that comes next, and go on."""
        at = self.next
        if at > self._seen:  # noqa: PLR1730 -- max takes twice as long, and this runs for each token
            self._seen = at
        token = self._tokens[at]
        if at < self._last:  # nothing stands behind the end, or an error
            self.next = at + 1
        return token

    def skip_space(self) -> Token:
        """The token that comes next, but space."""
        token = self.peek()
        if token.kind != "space":
            return token
        self.next += 1
        return self.peek()

    def take_word(self) -> Token:
        """The same, and go on."""
        self.skip_space()
        return self.take()

    def keyword_ahead(self) -> str:
        """The word behind the `{{` that comes next, "" where there is none."""
        at = self.next + 1
        if self._tokens[at].kind == "space":
            at += 1
        token = self._tokens[at]
        return token.text if token.kind == "word" else ""

    def _line(self, at: int) -> int:
        """The line, as Go counts it: lines that end inside of a comment are none."""
        return self.text.count("\n", 0, at) + 1 - bisect(self._uncounted, at)

    def error(self, message: str) -> TemplateError:
        """An error at the line of the last token that was looked at, as Go has it."""
        return TemplateError(f"template: {self.name}:{self._line(self._tokens[self._seen].at)}: {message}")

    def unexpected(self, token: Token, context: str) -> TemplateError:
        """The error of a token that cannot stand there."""
        if token.kind == "error":
            return self.error(token.text + self._started(token))
        return self.error(f"unexpected {_shown(token)} in {context}")

    def _started(self, token: Token) -> str:
        """Where the action began that goes wrong at this token, if that is another line."""
        line = self._line(self.action_at)
        if self.action_at < 0 or line == self._line(token.at):
            return ""
        what = " started at" if token.text.endswith(" action") else " in action started at"
        return f"{what} {self.name}:{line}"


def _shown(token: Token) -> str:
    """The token as Go tells it."""
    if token.kind == "eof":
        return "EOF"
    if token.kind == "." or (token.kind == "word" and token.text in KEYWORDS):
        return f"<{token.text}>"
    return f"{quote(token.text[:10])}..." if len(token.text) > 10 else quote(token.text)
