"""Tokens to trees: the grammar of Go's text/template, its scopes of variables and its messages."""

from collections.abc import Container
from typing import Final

from renderers.helm.gotemplate import nodes
from renderers.helm.gotemplate.lexer import Token
from renderers.helm.gotemplate.literals import constant, unquote
from renderers.helm.gotemplate.quoting import quote
from renderers.helm.gotemplate.token_reader import KEYWORDS, TokenReader

_MAX_DEPTH: Final = 300
_OPERANDS: Final = frozenset(("field", "variable", "word", "string", "raw", "char", "number", ".", "("))


def parse(name: str, text: str, functions: Container[str]) -> list[nodes.Parsed]:
    """The templates of a file: those that it defines, in order, and at last itself. Raises TemplateError."""
    return _Parser(name, text, functions).parse()


class _Parser(TokenReader):
    def __init__(self, name: str, text: str, functions: Container[str]) -> None:
        super().__init__(name, text)
        self._functions = functions
        self._defined: list[nodes.Parsed] = []
        self._scopes: list[str] = ["$"]
        self._slots = 1
        self._ranges = 0
        self._depth = 0
        self._pending: set[int] = set()
        self._slots_of: dict[str, list[int]] = {"$": [0]}
        self._full: set[str] = set()  # names of templates that are defined, and not empty

    def parse(self) -> list[nodes.Parsed]:
        body: list[nodes.Node] = []
        while self.peek().kind != "eof":
            if self.peek().kind == "{{" and self.keyword_ahead() == "define":
                self.take()
                self.take_word()
                self._definition()
                continue
            node = self._text_or_action()
            if isinstance(node, _Mark):
                raise self.error(f"unexpected {node}")
            body.append(node)
        main = nodes.Parsed(self.name, self.name, self.text, body, self._slots)
        return [*self._defined, main]

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _items(self, at: int) -> tuple[list[nodes.Node], "_Mark"]:
        """What stands up to the next `end` or `else`."""
        body: list[nodes.Node] = []
        while self.peek().kind != "eof":
            node = self._text_or_action()
            if isinstance(node, _Mark):
                return body, node
            body.append(node)
        raise self.error("unexpected EOF")

    def _text_or_action(self) -> nodes.Node:
        token = self.take()
        if token.kind == "text":
            return nodes.Text(token.at, token.text)
        if token.kind != "{{":
            raise self.unexpected(token, "input")
        self.action_at = token.at
        found = self._action()
        self.action_at = -1
        return found

    def _action(self) -> nodes.Node:
        token = self.skip_space()
        if token.kind == "word" and token.text in KEYWORDS and token.text != "nil":
            self.take()
            return self._control(token)
        pipe = self._pipeline("command", "}}")
        return nodes.Action(pipe.at, pipe)

    def _control(self, token: Token) -> nodes.Node:
        match token.text:
            case "if" | "with" | "range":
                return self._branch(token.text)
            case "template":
                return self._template()
            case "block":
                return self._block()
            case "end":
                self._close("end")
                return _Mark(token.at, "{{end}}")
            case "else":
                follows = self.skip_space()
                if follows.kind == "word" and follows.text in ("if", "with"):
                    return _Mark(token.at, "{{else}}", follows.text)
                self._close("else")
                return _Mark(token.at, "{{else}}")
            case "break" | "continue":
                self._close(f"{{{{{token.text}}}}}")
                if not self._ranges:
                    raise self.error(f"{{{{{token.text}}}}} outside {{{{range}}}}")
                return nodes.Leave(token.at, token.text)
        raise self.unexpected(token, "command")

    def _close(self, context: str) -> None:
        token = self.take_word()
        if token.kind != "}}":
            raise self.unexpected(token, context)

    def _branch(self, kind: str) -> nodes.Branch:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.error(f"{kind}: nested too deeply (at most {_MAX_DEPTH})")
        outer = len(self._scopes)
        pipe = self._pipeline(kind, "}}")
        inside = len(self._scopes)
        self._ranges += kind == "range"
        body, mark = self._items(pipe.at)
        self._ranges -= kind == "range"
        # What the body declares is known by name to what follows `else`, but never set there.
        beside = len(self._scopes)
        self._hide(self._scopes[inside:])
        otherwise: list[nodes.Node] = []
        if mark.is_else:
            if mark.follows:
                if mark.follows != kind:
                    raise self.error(f"unexpected <{mark.follows}> in input")
                self.take_word()
                otherwise = [self._branch(kind)]
            else:
                otherwise, mark = self._items(pipe.at)
                if mark.is_else:
                    raise self.error("expected end; found {{else}}")
        self._hide(self._scopes[outer:inside] + self._scopes[beside:])
        del self._scopes[outer:]
        self._depth -= 1
        return nodes.Branch(pipe.at, kind, pipe, body, otherwise)

    def _hide(self, names: list[str]) -> None:
        for name in names:
            self._slots_of[name].pop()

    def _string(self, context: str) -> str:
        token = self.take_word()
        if token.kind not in ("string", "raw"):
            raise self.unexpected(token, context)
        return self._unquoted(token)

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self.error(str(error)) from None

    def _template(self) -> nodes.Call:
        at = self.skip_space().at
        name = self._string("template clause")
        if self.skip_space().kind == "}}":
            self.take()
            return nodes.Call(at, name, None)
        return nodes.Call(at, name, self._pipeline("template clause", "}}"))

    def _definition(self) -> None:
        name = self._string("define clause")
        self._close("define clause")
        self._defined.append(self._inner(name, self.peek().at, "define clause"))

    def _block(self) -> nodes.Call:
        at = self.skip_space().at
        name = self._string("block clause")
        pipe = self._pipeline("block clause", "}}")
        self._defined.append(self._inner(name, at, "block clause"))
        return nodes.Call(at, name, pipe)

    def _inner(self, name: str, at: int, context: str) -> nodes.Parsed:
        kept = self._scopes, self._slots, self._ranges, self._pending, self._slots_of
        self._scopes, self._slots, self._ranges, self._pending, self._slots_of = ["$"], 1, 0, set(), {"$": [0]}
        body, mark = self._items(at)
        if mark.is_else:
            raise self.error(f"unexpected {mark} in {context}")
        found = nodes.Parsed(name, self.name, self.text, body, self._slots)
        if not found.is_empty():
            if name in self._full:
                raise self.error(f"template: multiple definition of template {quote(name)}")
            self._full.add(name)
        self._scopes, self._slots, self._ranges, self._pending, self._slots_of = kept
        return found

    # ── pipelines ────────────────────────────────────────────────────────────────────────────────────────────────

    def _pipeline(self, context: str, end: str) -> nodes.Pipe:
        pipe = nodes.Pipe(self.skip_space().at, [])
        self._declarations(pipe, context)
        while True:
            token = self.skip_space()
            if token.kind == end:
                self.take()
                self._check(pipe, context)
                self._pending.difference_update(slot for _, slot in pipe.declared)
                return pipe
            if token.kind not in _OPERANDS or (token.text in KEYWORDS and token.kind == "word" and token.text != "nil"):
                raise self.unexpected(token, context)
            pipe.commands.append(self._command())

    def _declarations(self, pipe: nodes.Pipe, context: str) -> None:
        """Take the variables in front of a pipeline, and give them slots."""
        names: list[str] = []
        while True:
            start = self.next
            variable = self.skip_space()
            if variable.kind != "variable":
                return
            self.take()
            self.peek()
            sign = self.skip_space()
            if sign.kind not in (":=", "=", ","):
                self.next = start
                return
            self.take()
            names.append(variable.text)
            if sign.kind != ",":
                pipe.assigns = sign.kind == "="
                break
            if context != "range" or len(names) > 1:
                raise self.error(f"too many declarations in {context}")
            if self.skip_space().kind not in ("variable", "}}", ")"):
                raise self.error("range can only initialize variables")
        pipe.declared = [(name, self._assigned(name) if pipe.assigns else self._declared(name)) for name in names]

    def _declared(self, name: str) -> int:
        """A new slot, which has no value before the pipeline has one: `$x := f $x` still sees the one before."""
        slot = len(self._scopes)
        self._scopes.append(name)
        self._slots_of.setdefault(name, []).append(slot)
        self._slots = max(self._slots, len(self._scopes))
        self._pending.add(slot)
        return slot

    def _assigned(self, name: str) -> int:
        """The slot of a variable that is there; without one the execution fails, and not the parser."""
        slot = self._known(name)
        if slot < 0:
            self._declared(name)
        return slot

    def _known(self, name: str) -> int:
        """The slot of the variable that was declared last of that name; -1 where there is none."""
        slots = reversed(self._slots_of.get(name, ()))
        return next((slot for slot in slots if slot not in self._pending), -1)

    def _slot(self, variable: Token) -> int:
        """Its slot; -1 for one that is declared by the pipeline itself, which has no value yet."""
        slot = self._known(variable.text)
        if slot < 0 and variable.text not in self._scopes:
            raise self.error(f"undefined variable {quote(variable.text)}")
        return slot

    def _check(self, pipe: nodes.Pipe, context: str) -> None:
        if not pipe.commands:
            raise self.error(f"missing value for {context}")
        for number, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], nodes.Constant | nodes.Dot | nodes.Nil):
                raise self.error(f"non executable command in pipeline stage {number}")

    def _command(self) -> nodes.Command:
        args: list[nodes.Node] = []
        start = self.peek().at
        while True:
            operand = self._operand()
            if operand is None:
                break
            args.append(operand)
            token = self.peek()
            if token.kind == "space":
                self.next += 1
                token = self.peek()
                if token.kind in _OPERANDS:
                    continue
            if token.kind == "|":
                self.take()  # nothing need follow it
            elif token.kind not in ("}}", ")"):
                raise self.unexpected(token, "operand")
            break
        if not args:
            raise self.error("empty command")
        return nodes.Command(start, args)

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or (ahead := self.peek()).kind != "field":
            return node
        at = ahead.at
        names: list[str] = []
        while self.peek().kind == "field":
            names.append(self.take().text[1:])
        match node:
            case nodes.Field():
                return nodes.Field(at, (*node.names, *names))
            case nodes.Variable():
                return nodes.Variable(at, node.name, (*node.names, *names), node.slot)
            case nodes.Constant() | nodes.Nil() | nodes.Dot():
                raise self.error(f"unexpected . after term {quote(str(node))}")
        return nodes.Chain(at, node, tuple(names))

    def _term(self) -> nodes.Node | None:
        token = self.peek()
        kind = token.kind
        if kind not in _OPERANDS:
            return None
        self.next += 1
        match kind:
            case "field":
                return nodes.Field(token.at, (token.text[1:],))
            case "word":
                return self._word(token)
            case ".":
                return nodes.Dot(token.at)
            case "variable":
                return nodes.Variable(token.at, token.text, (), self._slot(token))
            case "(":
                return self._parenthesised(token)
        try:
            return nodes.Constant(token.at, constant(token.kind, token.text), token.text)
        except ValueError as error:
            raise self.error(str(error)) from None

    def _parenthesised(self, token: Token) -> nodes.Pipe:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.error(f"parentheses: nested too deeply (at most {_MAX_DEPTH})")
        pipe = self._pipeline("parenthesized pipeline", ")")
        self._depth -= 1
        return pipe

    def _word(self, token: Token) -> nodes.Node:
        if token.text in ("true", "false"):
            return nodes.Constant(token.at, token.text == "true", token.text)
        if token.text == "nil":
            return nodes.Nil(token.at)
        if token.text in KEYWORDS:
            raise self.unexpected(token, "operand")
        if token.text not in self._functions:
            raise self.error(f'function "{token.text}" not defined')
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
