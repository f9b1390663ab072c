"""Tokens to trees: the grammar of Go's text/template, its scopes of variables and its messages."""

from collections.abc import Container
from typing import Final

from renderers.helm.gotemplate import nodes
from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.lexer import Token, tokens_of
from renderers.helm.gotemplate.literals import constant, unquote

_KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)
_MAX_DEPTH: Final = 300
_OPERANDS: Final = frozenset(("field", "variable", "word", "string", "raw", "char", "number", ".", "("))


def parse(name: str, text: str, functions: Container[str]) -> list[nodes.Parsed]:
    """The templates of a file: those that it defines, in order, and at last itself. Raises TemplateError."""
    return _Parser(name, text, functions).parse()


class _Parser:
    def __init__(self, name: str, text: str, functions: Container[str]) -> None:
        self._name = name
        self._text = text
        self._functions = functions
        self._tokens = tokens_of(name, text)
        self._next = 0
        self._defined: list[nodes.Parsed] = []
        self._scopes: list[str] = ["$"]
        self._slots = 1
        self._ranges = 0
        self._depth = 0

    def parse(self) -> list[nodes.Parsed]:
        body: list[nodes.Node] = []
        while self._peek().kind != "eof":
            if self._peek().kind == "{{" and self._keyword_ahead() == "define":
                self._take()
                self._take_word()
                self._definition()
                continue
            node = self._text_or_action()
            if isinstance(node, _Mark):
                raise self._error(f"unexpected {node}", node.at)
            body.append(node)
        main = nodes.Parsed(self._name, self._name, self._text, body, self._slots)
        return [*self._defined, main]

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _skip_space(self) -> Token:
        if self._peek().kind == "space":
            self._next += 1
        return self._peek()

    def _take_word(self) -> Token:
        self._skip_space()
        return self._take()

    def _keyword_ahead(self) -> str:
        at = self._next + 1
        if self._tokens[at].kind == "space":
            at += 1
        token = self._tokens[at]
        return token.text if token.kind == "word" else ""

    def _error(self, message: str, at: int) -> TemplateError:
        line = self._text.count("\n", 0, at) + 1
        return TemplateError(f"template: {self._name}:{line}: {message}")

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        shown = "EOF" if token.kind == "eof" else f"<{token.text}>" if token.text in _KEYWORDS else f'"{token.text}"'
        return self._error(f"unexpected {shown} in {context}", token.at)

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _items(self, at: int) -> tuple[list[nodes.Node], "_Mark"]:
        """What stands up to the next `end` or `else`."""
        body: list[nodes.Node] = []
        while self._peek().kind != "eof":
            node = self._text_or_action()
            if isinstance(node, _Mark):
                return body, node
            body.append(node)
        raise self._error("unexpected EOF", self._peek().at)

    def _text_or_action(self) -> nodes.Node:
        token = self._take()
        if token.kind == "text":
            return nodes.Text(token.at, token.text)
        return self._action()

    def _action(self) -> nodes.Node:
        token = self._skip_space()
        if token.kind == "word" and token.text in _KEYWORDS and token.text != "nil":
            self._take()
            return self._control(token)
        pipe = self._pipeline("command", "}}")
        return nodes.Action(pipe.at, pipe)

    def _control(self, token: Token) -> nodes.Node:
        match token.text:
            case "if" | "with" | "range":
                return self._branch(token.text)
            case "template":
                return self._template(token.at)
            case "block":
                return self._block(token.at)
            case "end":
                self._close("end")
                return _Mark(token.at, "{{end}}")
            case "else":
                follows = self._skip_space()
                if follows.kind == "word" and follows.text in ("if", "with"):
                    return _Mark(token.at, "{{else}}", follows.text)
                self._close("else")
                return _Mark(token.at, "{{else}}")
            case "break" | "continue":
                self._close(f"{{{{{token.text}}}}}")
                if not self._ranges:
                    raise self._error(f"{{{{{token.text}}}}} outside {{{{range}}}}", token.at)
                return nodes.Leave(token.at, token.text)
        raise self._unexpected(token, "command" if token.text != "define" else "{{define}} clause")

    def _close(self, context: str) -> None:
        token = self._take_word()
        if token.kind != "}}":
            raise self._unexpected(token, context)

    def _branch(self, kind: str) -> nodes.Branch:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"{kind}: nested too deeply (at most {_MAX_DEPTH})", self._peek().at)
        outer = len(self._scopes)
        pipe = self._pipeline(kind, "}}")
        self._ranges += kind == "range"
        body, mark = self._items(pipe.at)
        self._ranges -= kind == "range"
        otherwise: list[nodes.Node] = []
        if mark.is_else:
            if mark.follows:
                if mark.follows != kind:
                    raise self._error(f"unexpected <{mark.follows}> in else", mark.at)
                self._take_word()
                otherwise = [self._branch(kind)]
            else:
                otherwise, mark = self._items(pipe.at)
                if mark.is_else:
                    raise self._error("expected end; found {{else}}", mark.at)
        del self._scopes[outer:]
        self._depth -= 1
        return nodes.Branch(pipe.at, kind, pipe, body, otherwise)

    def _string(self, context: str) -> str:
        token = self._take_word()
        if token.kind not in ("string", "raw"):
            raise self._unexpected(token, context)
        return self._unquoted(token)

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self._error(str(error), token.at) from None

    def _template(self, at: int) -> nodes.Call:
        name = self._string("template clause")
        if self._skip_space().kind == "}}":
            self._take()
            return nodes.Call(at, name, None)
        return nodes.Call(at, name, self._pipeline("template clause", "}}"))

    def _definition(self) -> None:
        name = self._string("define clause")
        self._close("define clause")
        self._defined.append(self._inner(name, self._peek().at))

    def _block(self, at: int) -> nodes.Call:
        name = self._string("block clause")
        pipe = self._pipeline("block clause", "}}")
        self._defined.append(self._inner(name, at))
        return nodes.Call(at, name, pipe)

    def _inner(self, name: str, at: int) -> nodes.Parsed:
        kept = self._scopes, self._slots, self._ranges
        self._scopes, self._slots, self._ranges = ["$"], 1, 0
        body, mark = self._items(at)
        if mark.is_else:
            raise self._error(f"unexpected {mark} in define clause", mark.at)
        found = nodes.Parsed(name, self._name, self._text, body, self._slots)
        self._scopes, self._slots, self._ranges = kept
        return found

    # ── pipelines ────────────────────────────────────────────────────────────────────────────────────────────────

    def _pipeline(self, context: str, end: str) -> nodes.Pipe:
        first = self._skip_space()
        pipe = nodes.Pipe(first.at, [])
        fresh = self._declarations(pipe, context)
        while True:
            token = self._skip_space()
            if token.kind == end:
                self._take()
                self._check(pipe, context, token.at)
                self._declare(pipe, fresh)
                return pipe
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            pipe.commands.append(self._command())

    def _declare(self, pipe: nodes.Pipe, fresh: list[str]) -> None:
        """New variables are there once their value is: `$x := f $x` still sees the one before."""
        for name in fresh:
            self._scopes.append(name)
            self._slots = max(self._slots, len(self._scopes))
            pipe.declared.append((name, len(self._scopes) - 1))

    def _declarations(self, pipe: nodes.Pipe, context: str) -> list[str]:
        """Take the variables in front of a pipeline; the names of those that are new are given back."""
        fresh: list[str] = []
        while True:
            start = self._next
            variable = self._skip_space()
            if variable.kind != "variable":
                return fresh
            self._take()
            sign = self._skip_space()
            if sign.kind in (":=", "="):
                self._take()
                pipe.assigns = sign.kind == "="
                self._named(variable, pipe, fresh)
            elif sign.kind == "," and context == "range" and not pipe.declared and not fresh:
                self._take()
                follows = self._skip_space()
                if follows.kind != "variable":
                    raise self._error("range can only initialize variables", variable.at)
                pipe.assigns = self._assigns_ahead()
                self._named(variable, pipe, fresh)
                continue
            else:
                self._next = start
            return fresh

    def _assigns_ahead(self) -> bool:
        at = self._next + 1
        if self._tokens[at].kind == "space":
            at += 1
        return self._tokens[at].kind == "="

    def _named(self, variable: Token, pipe: nodes.Pipe, fresh: list[str]) -> None:
        if pipe.assigns:
            pipe.declared.append((variable.text, self._slot(variable)))
        else:
            fresh.append(variable.text)

    def _slot(self, variable: Token) -> int:
        for slot in range(len(self._scopes) - 1, -1, -1):
            if self._scopes[slot] == variable.text:
                return slot
        raise self._error(f'undefined variable "{variable.text}"', variable.at)

    def _check(self, pipe: nodes.Pipe, context: str, at: int) -> None:
        if not pipe.commands:
            raise self._error(f"missing value for {context}", at)
        for number, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], nodes.Constant | nodes.Dot | nodes.Nil):
                raise self._error(f"non executable command in pipeline stage {number}", at)

    def _command(self) -> nodes.Command:
        args: list[nodes.Node] = []
        start = self._peek().at
        while True:
            operand = self._operand()
            if operand is None:
                break
            args.append(operand)
            token = self._peek()
            if token.kind == "space":
                self._take()
                if self._peek().kind in _OPERANDS:
                    continue
                token = self._peek()
            if token.kind == "|":
                self._take()  # nothing need follow it
            elif token.kind not in ("}}", ")"):
                raise self._unexpected(token, "operand")
            break
        if not args:
            raise self._error("empty command", start)
        return nodes.Command(start, args)

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or self._peek().kind != "field":
            return node
        at = self._peek().at
        names: list[str] = []
        while self._peek().kind == "field":
            names.append(self._take().text[1:])
        match node:
            case nodes.Field():
                return nodes.Field(at, (*node.names, *names))
            case nodes.Variable():
                return nodes.Variable(at, node.name, (*node.names, *names), node.slot)
            case nodes.Constant() | nodes.Nil() | nodes.Dot():
                raise self._error(f"unexpected . after term {str(node)!r}", at)
        return nodes.Chain(at, node, tuple(names))

    def _term(self) -> nodes.Node | None:
        token = self._peek()
        if token.kind not in _OPERANDS:
            return None
        self._take()
        match token.kind:
            case "word":
                return self._word(token)
            case ".":
                return nodes.Dot(token.at)
            case "variable":
                return nodes.Variable(token.at, token.text, (), self._slot(token))
            case "field":
                return nodes.Field(token.at, (token.text[1:],))
            case "(":
                return self._parenthesised(token)
        try:
            return nodes.Constant(token.at, constant(token.kind, token.text), token.text)
        except ValueError as error:
            raise self._error(f"{error}: {token.text}", token.at) from None

    def _parenthesised(self, token: Token) -> nodes.Pipe:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"parentheses: nested too deeply (at most {_MAX_DEPTH})", token.at)
        pipe = self._pipeline("parenthesized pipeline", ")")
        self._depth -= 1
        return pipe

    def _word(self, token: Token) -> nodes.Node:
        if token.text in ("true", "false"):
            return nodes.Constant(token.at, token.text == "true", token.text)
        if token.text == "nil":
            return nodes.Nil(token.at)
        if token.text in _KEYWORDS:
            raise self._unexpected(token, "operand")
        if token.text not in self._functions:
            raise self._error(f'function "{token.text}" not defined', token.at)
        return nodes.Identifier(token.at, token.text)


class _Mark(nodes.Node):
    """An `end` or `else` that ends a list; `follows` is what stands behind `else`."""

    def __init__(self, at: int, text: str, follows: str = "") -> None:
        super().__init__(at)
        self.text = text
        self.follows = follows

    @property
    def is_else(self) -> bool:
        return self.text == "{{else}}"

    def __str__(self) -> str:
        return self.text
