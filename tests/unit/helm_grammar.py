"""Makes templates and values: everything that a template can say, with arguments that mostly fit and sometimes do not.

Names come from small pools, so that what is looked for is often there and often not: a template that fails is as good
a case as one that gives something. A seed makes the same templates each time.
"""

import json
import random
from collections.abc import Callable

from tests.unit.helm_pools import COMMON, GIVING, KINDS, NAMES, NUMBERS, PATHS, SCALARS, TABLE, TEXTS, WHOLE

Maker = Callable[[int], str]


class Grammar:
    """Templates out of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._variables: list[str] = []
        self._callable: list[str] = []
        self._in_range = False

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────

    def values(self) -> str:
        """A values.yaml; the paths that templates ask for are mostly there."""
        pick = self._pick
        kinds = {
            "s": pick([scalar for scalar in SCALARS if scalar != "-"]),  # which would begin a list there
            "i": pick(("3", "0", "-7")),
            "f": pick(("1.5", "0.1", "1e21")),
            "b": pick(("true", "false")),
        }
        lines = [f"{key}: {value}" for key, value in kinds.items()]
        lines += ["n: null", 'e: ""', "big: 1234567", "ls: [b, a, c, a]", f"l: {self._data(2, 'list')}"]
        lines += [
            f"m: {{k: {pick(SCALARS)}, m: {self._data(2, 'map')}, z: {self._data(1)}}}",
            f"deep: {self._data(4)}",
        ]
        return "\n".join(lines) + "\n"

    def _data(self, depth: int, kind: str = "") -> str:
        kind = kind or self._pick(("scalar", "scalar", "list", "map"))
        if depth <= 0 or kind == "scalar":
            return self._pick(SCALARS)
        count = self._random.randrange(4)
        if kind == "list":
            return "[" + ", ".join(self._data(depth - 1) for _ in range(count)) + "]"
        keys = self._random.sample(("k", "m", "a", "b", "'1'", "'y'", '"x y"', "z9", "z10"), count)
        return "{" + ", ".join(f"{key}: {self._data(depth - 1)}" for key in keys) + "}"

    # ── templates ────────────────────────────────────────────────────────────────────────────────────────────────

    def template(self) -> str:
        """One template; about one of eight has something in it that may not even parse."""
        self._variables, self._callable, self._in_range = [], [], False
        pieces = []
        if self._random.random() < 0.12:
            for name in self._random.sample(("one", "two"), self._random.randrange(1, 3)):
                kept, self._variables = self._variables, []
                body = self._body(2)
                self._variables = kept
                pieces.append(self._action(f'define "{name}"') + body + self._action("end"))
                self._callable.append(name)
        pieces.append(self._body(3))
        text = "".join(pieces)
        return self._spoiled(text) if self._random.random() < 0.1 else text

    def _spoiled(self, text: str) -> str:
        at = self._random.randrange(len(text) + 1)
        match self._random.randrange(4):
            case 0:
                return text[:at] + text[at + 1 :]
            case 1:
                return text[:at] + self._pick(tuple("{}()|.,$:=\"'`-%\\ \n/x1_é")) + text[at:]
            case 2:
                return text[:at]
        other = self._random.randrange(len(text) + 1)
        return text[: min(at, other)] + text[max(at, other) :]

    def _pick(self, pool: "tuple[str, ...] | list[str]") -> str:
        return self._random.choice(pool)

    def _action(self, inner: str) -> str:
        left = self._pick(("{{ ", "{{ ", "{{", "{{- ", "{{-  "))
        right = self._pick((" }}", " }}", "}}", " -}}", "\n}}"))
        if left == "{{" and inner[:1] in "-+":
            left = "{{ "
        return left + inner + right

    def _body(self, depth: int) -> str:
        return "".join(self._piece(depth) for _ in range(self._random.choice((1, 1, 2, 3))))

    def _piece(self, depth: int) -> str:
        makers: tuple[Maker, ...] = (
            self._text, self._output, self._output, self._output, self._declare, self._comment, self._if, self._with,
            self._range, self._called, self._tpl,
        )  # fmt: skip
        return self._random.choice(makers[:6] if depth <= 0 else makers)(depth)

    def _text(self, depth: int) -> str:
        return self._pick(("x", " a: ", "\n", "\n  ", "  \n\n", "- ", "é{", "} }", "# "))

    def _output(self, depth: int) -> str:
        return self._action(self.pipeline(3))

    def _comment(self, depth: int) -> str:
        return self._pick(("{{/* c */}}", "{{- /* c */ -}}", "{{- /* }} */}}", "{{/*\n*/ -}}"))

    def _declare(self, depth: int) -> str:
        if self._variables and self._random.random() < 0.4:
            return self._action(f"{self._pick(self._variables)} = {self.pipeline(2)}")
        name = self._pick(("$x", "$y", "$z"))
        made = self._action(f"{name} := {self.pipeline(2)}")
        self._variables.append(name)
        return made

    def _scoped(self, depth: int) -> str:
        """What is inside of a branch; now and then the next branch asks for what this one declares."""
        kept = len(self._variables)
        body = self._body(depth - 1)
        if self._random.random() < 0.7:
            del self._variables[kept:]
        return body

    def _if(self, depth: int) -> str:
        kept = len(self._variables)
        text = self._action(f"if {self.pipeline(2)}") + self._scoped(depth)
        if self._random.random() < 0.3:
            text += self._action(f"else if {self.pipeline(2)}") + self._scoped(depth)
        if self._random.random() < 0.5:
            text += self._action("else") + self._scoped(depth)
        del self._variables[kept:]
        return text + self._action("end")

    def _with(self, depth: int) -> str:
        kept = len(self._variables)
        head = f"with {self.pipeline(2)}"
        if self._random.random() < 0.3:
            head = f"with $w := {self.pipeline(2)}"
            self._variables.append("$w")
        text = self._action(head) + self._scoped(depth)
        if self._random.random() < 0.3:
            text += self._action(self._pick(("else", f"else with {self.pipeline(2)}"))) + self._scoped(depth)
        del self._variables[kept:]
        return text + self._action("end")

    def _range(self, depth: int) -> str:
        kept = len(self._variables)
        over = self._pick(
            (self.pipeline(2), self.argument("list", 2), self.argument("map", 2), "until 3", "$.Values.l")
        )
        names: tuple[str, ...] = self._random.choice(((), ("$v",), ("$k", "$v")))
        head = f"range {', '.join(names)} := {over}" if names else f"range {over}"
        self._variables += names
        before, self._in_range = self._in_range, True
        body = self._scoped(depth)
        if self._random.random() < 0.25:
            leave = self._action(self._pick(("break", "continue")))
            body += self._action(f"if {self.pipeline(1)}") + leave + self._action("end") + self._scoped(depth)
        self._in_range = before
        otherwise = self._action("else") + self._scoped(depth) if self._random.random() < 0.3 else ""
        del self._variables[kept:]
        return self._action(head) + body + otherwise + self._action("end")

    def _called(self, depth: int) -> str:
        if not self._callable:
            return self._output(depth)
        name, given = self._pick(self._callable), self.argument("any", 2)
        if self._random.random() < 0.3:
            return self._action(f'template "{name}" {given}')
        return self._action(f'include "{name}" {given}' + self._pick(("", " | quote", " | nindent 2", " | fromYaml")))

    def _tpl(self, depth: int) -> str:
        kept, self._variables = self._variables, []
        inner = self._body(depth - 2)
        self._variables = kept
        text = f"`{inner}`" if "`" not in inner else json.dumps(inner, ensure_ascii=False)
        return self._action(f"tpl {text} {self._pick(('$', '$', '$', '.', self.argument('any', 1)))}")

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────

    def pipeline(self, depth: int) -> str:
        """A pipeline: a value or call, and what it is piped into."""
        text = self._call(depth) if self._random.random() < 0.75 else self.argument("any", depth)
        kind = self._pick(tuple(GIVING))
        for _ in range(self._random.choice((0, 0, 0, 1, 1, 2))):
            if self._random.random() < 0.85:
                text = text if text.startswith(GIVING[kind]) else self._call(depth, self._pick(GIVING[kind]))
                name = self._pick([each for each in NAMES if self._takes(each) in (kind, "any")])
                text, kind = f"{text} | {self._call(depth - 1, name, piped=True)}", self._pick(tuple(GIVING))
            else:
                text += f" | {self._call(depth - 1, piped=True)}"
        return text

    def _takes(self, name: str) -> str:
        """The kind of a function's last argument."""
        function = TABLE[name]
        return function.variadic or (function.parameters or ("",))[-1]

    def _call(self, depth: int, name: str = "", piped: bool = False) -> str:
        name = name or (self._pick(COMMON) if self._random.random() < 0.5 else self._pick(NAMES))
        kinds = list(TABLE[name].parameters)
        if TABLE[name].variadic:
            kinds += [TABLE[name].variadic] * self._random.randrange(3)
        known = KINDS.get(name, ())
        kinds = [*known[: len(kinds)], *kinds[len(known) :]]
        if name == "dict" and len(kinds) % 2 and self._random.random() < 0.9:
            kinds.append("any")
        if self._random.random() < 0.006:
            kinds = kinds[1:] if self._random.random() < 0.5 else [*kinds, "any"]
        given = [self._given(name, number, kind, depth - 1) for number, kind in enumerate(kinds)]
        if piped:
            given = given[:-1]
        return " ".join([name, *given])

    def _given(self, name: str, number: int, kind: str, depth: int) -> str:
        if name == "dict" and number % 2 == 0:
            return self._pick(('"k"', '"m"', '"a"', '"b"', '"1"'))
        if name in ("toYaml", "toJson", "toYamlPretty", "toPrettyJson", "toToml") and self._random.random() < 0.6:
            return self._pick(("$.Values.deep", "$.Values.m", "$.Values.l", "$.Values.s", "$", "(list $.Values.deep)"))
        return self.argument(kind, depth)

    def argument(self, kind: str, depth: int) -> str:
        """An argument of this kind, now and then of another."""
        if self._random.random() < 0.012:
            kind = self._pick(("string", "int", "any", "list", "map", "bool", "float"))
        roll = self._random.random()
        if kind.removesuffix("64") in GIVING and roll < 0.97:
            if depth > 0 and roll < 0.4:
                return f"({self._call(depth - 1, self._pick(GIVING[kind.removesuffix('64')]))})"
            return self._literal(kind, depth)
        if self._variables and roll < 0.2:
            return self._pick(self._variables)
        if roll < 0.25:
            return self._pick((".", "$", "nil", ".k", ".Values", "$.Values.s"))
        if roll < 0.4:
            return "$.Values." + self._pick(PATHS)
        if depth > 0 and roll < 0.7:
            return f"({self.pipeline(depth - 1)})" + self._pick(("",) * 15 + (".k",))
        return self._literal(kind, depth)

    def _literal(self, kind: str, depth: int) -> str:
        match kind:
            case "string":
                return self._pick(TEXTS)
            case "int" | "int64":
                return self._pick(WHOLE)
            case "float":
                return self._pick(NUMBERS)
            case "bool":
                return self._pick(("true", "false"))
            case "list":
                made = f"list {self.argument('any', depth - 1)} {self.argument('any', depth - 1)}"
                return self._pick(
                    ("$.Values.l", "$.Values.ls", f"({made})", "(list)", "(until 3)", '(splitList "," "a,b")')
                )
            case "map":
                made = f'dict "k" {self.argument("any", depth - 1)} "m" {self.argument("any", depth - 1)}'
                return self._pick(("$.Values.m", "$.Values.m", f"({made})", "(dict)"))
        return self._literal(self._pick(("string", "int", "bool", "list", "map", "string")), depth)
