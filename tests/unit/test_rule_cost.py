"""The estimated cost of CEL rules: the figures that cel-go and kube-apiserver publish, and cases of our own."""

from functools import partial

import pytest

from gitops.manifests.cel import compiled
from gitops.sandbox.rule_cost.estimate import estimate
from gitops.sandbox.rule_cost.kinds import BOOL, DOUBLE, DYN, INT, STRING, Kind, list_of
from gitops.sandbox.rule_cost.limits import expression_cost
from gitops.sandbox.rule_cost.schema import declared
from gitops.sandbox.rule_cost.sizes import Size
from gitops.sandbox.rule_cost.tree import tree_of

TEXTS, NUMBERS, LISTS = list_of(STRING), list_of(INT), list_of(list_of(INT))
MAP, MAPS = Kind("map", (STRING, INT)), Kind("map", (STRING, Kind("map", (STRING, INT))))
OBJECTS = Kind("map", (INT, Kind("object", fields={"number": INT})))
TIME, SPAN, BYTES = Kind("timestamp"), Kind("duration"), Kind("bytes")


def cost(expression: str, hints: dict[str, int] | None = None, **variables: Kind) -> int:
    """As the test of cel-go's estimator reckons: sizes are given by path."""
    known = hints or {}
    tree = tree_of(compiled(expression, tuple(sorted(variables))).serialize())

    def size_of(path: list[str]) -> Size | None:
        most = known.get(".".join(path))
        return None if most is None else Size(0, most)

    return estimate(tree, variables, size_of)


# What cel-go v0.26 estimates at most (checker/cost_test.go).
@pytest.mark.parametrize(
    ("wanted", "expression", "hints", "variables"),
    [
        (0, '"Hello World!"', {}, {}),
        (1, "input", {}, {"input": NUMBERS}),
        (2, "input['key']", {}, {"input": MAP}),
        (2, "input.single", {}, {"input": Kind("object", fields={"single": INT})}),
        (1, "has(input.single)", {}, {"input": Kind("object", fields={"single": INT})}),
        (2, "has(input.a.b)", {}, {"input": MAPS}),
        (10, "[1, 2, 3]", {}, {}),
        (30, '{"a": 1, "b": 2, "c": 3}', {}, {}),
        (302, "input.all(x, true)", {"input": 100}, {"input": NUMBERS}),
        (1752, "input.all(x, x.all(y, true))", {"input": 50, "input.@items": 10}, {"input": LISTS}),
        (20, "[1, 2, 3].all(x, true)", {}, {}),
        (103, "input.matches('[0-9]')", {"input": 500}, {"input": STRING}),
        (2, "'123'.matches('[0-9]')", {}, {}),
        (0, "true || false", {}, {}),
        (4, "a || b || c || d", {}, dict.fromkeys("abcd", BOOL)),
        (4, "a && b && c && d", {}, dict.fromkeys("abcd", BOOL)),
        *((1, expression, {}, {}) for expression in ("1 < 2", "1 == 2", "2 >= 1", "1 + 1", "1 % 1", 'size("123")')),
        (13, "2 in [1, 2, 3]", {}, {}),
        (0, "true ? 1 : 2", {}, {}),
        (51, "string(input)", {"input": 500}, {"input": BYTES}),
        (152, "string(input) == string(input)", {"input": 500}, {"input": BYTES}),
        (51, "bytes(input)", {"input": 500}, {"input": STRING}),
        (302, "bytes(input) == bytes(input)", {"input": 500}, {"input": STRING}),
        (2502, "input.contains(arg)", {"input": 500, "arg": 500}, {"input": STRING, "arg": STRING}),
        (103, r"input.matches('\\d+a\\d+b')", {"input": 500}, {"input": STRING}),
        (52, "input.startsWith(arg)", {"arg": 500}, {"input": STRING, "arg": STRING}),
        (52, "input.endsWith(arg)", {"arg": 500}, {"input": STRING, "arg": STRING}),
        (2, "input.size()", {}, {"input": STRING}),
        (2, "size(input)", {}, {"input": STRING}),
        (7, "(x > 2 ? a : b).all(y, true)", {"a": 1, "b": 1}, {"x": INT, "a": NUMBERS, "b": NUMBERS}),
        (82, "input.all(k, input[k].number > 3)", {"input": 10}, {"input": OBJECTS}),
        (187, "input.all(k, input[k].all(x, true))", {"input": 5, "input.@values": 10}, {"input": MAPS}),
        (32, "input.all(k, k.contains(k))", {"input": 5, "input.@keys": 10}, {"input": MAP}),
        (
            34,
            "input.all(k, input[k].all(k, true) && k.contains(k))",
            {"input": 2, "input.@values": 2, "input.@keys": 5},
            {"input": MAPS},
        ),
        (64, "(a + b).all(x, true)", {"a": 10, "b": 10}, {"a": NUMBERS, "b": NUMBERS}),
        (6, '"abcdefg".contains(a + b)', {"a": 10, "b": 10}, {"a": STRING, "b": STRING}),
        (5, "a.size() == b.size()", {}, {"a": NUMBERS, "b": NUMBERS}),
        (5, "x > y ? a.size() : b.size()", {}, {"x": INT, "y": INT, "a": NUMBERS, "b": NUMBERS}),
        (17, "([x, y] + a + b).size()", {"a": 10, "b": 20}, {"x": INT, "y": INT, "a": NUMBERS, "b": NUMBERS}),
        (
            265,
            "[a, b].exists(l, l.exists(v, v.startsWith('hi')))",
            {"a": 10, "a.@items": 64, "b": 20, "b.@items": 128},
            {"a": TEXTS, "b": TEXTS},
        ),
        (
            9,
            'a.endsWith("abcdefghijklmnopqrstuvwxyz") == b.endsWith("abcdefghijklmnopqrstuvwxyz")',
            {},
            {"a": STRING, "b": STRING},
        ),
        (7, "((5 != 6) == (1 == 2)) == ((3 <= 4) == (9 != 9))", {}, {}),
        (1844674407370955268, "string(a) == string(b)", {}, {"a": TIME, "b": TIME}),
        (3, "a == b", {}, {"a": TIME, "b": TIME}),
        (3, "a != b", {}, {"a": SPAN, "b": SPAN}),
        (101, "[1,2,3,4,5].filter(x, x % 2 == 0)", {}, {}),
        (86, "[1,2,3,4,5].map(x, x)", {}, {}),
        (177, "[1,2,3,4,5].map(x, x).filter(x, x % 2 == 0)", {}, {}),
        (118, "[1,2,3,4,5].map(x, x).exists(x, x == 5) == true", {}, {}),
        (162, "[1,2,3,4,5].map(x, x).map(x, x)", {}, {}),
        (87, "[1,2,3,4,5].map(x, x)[4]", {}, {}),
        (61, "[[1,2],[1,2],[1,2],[1,2],[1,2]][4]", {}, {}),
        (81, "{'a': [1,2], 'b': [1,2], 'c': [1,2], 'd': [1,2], 'e': [1,2]}.b", {}, {}),
        (136, "[[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]].all(y, y.all(y, y == 1))", {}, {}),
        (217, "[1,2,3,4,5].map(x, [x, x]).all(y, y.all(y, y == 1))", {}, {}),
        (217, '["a", "ab", "abc", "abcd", "abcde"].map(x, [x, x]).all(y, y.all(y, y.startsWith("a")))', {}, {}),
        (
            208,
            "input.map(x, [x, x]).all(y, y.all(y, y.startsWith('a')))",
            {"input": 5, "input.@items": 10},
            {"input": TEXTS},
        ),
        (173, "[1,2,3,4,5].map(x, x).map(x, x) + [1]", {}, {}),
        (230, "[1,2,3].all(i, i in [1,2,3].map(j, j + j))", {}, {}),
        (234, "dyn([1,2,3]).all(i, i in dyn([1,2,3]).map(j, j + j))", {}, {}),
        (63, "{'hello': 'hi'}['hello'] != {'hello': 'bye'}['hello']", {}, {}),
        (23, "['hello', 'hi'][0] != ['hello', 'bye'][1]", {}, {}),
        (1, "type(1)", {}, {}),
        (3, "type(self.a)", {}, {"self": MAP}),
        (1844674407370955268, "type(self.a) == int", {}, {"self": MAP}),
        (1844674407370955266, "type(1) == int", {}, {}),
        (3, "self.a == 1.0", {}, {"self": Kind("map", (STRING, DOUBLE))}),
        (26, "x.flatten() == [1, 2, 3]", {"x": 3}, {"x": list_of(DYN)}),
        (41, "x.distinct() == ['hello']", {"x": 3}, {"x": TEXTS}),
        (28, "x.reverse() == [1, 2, 3]", {"x": 5}, {"x": NUMBERS}),
        (73, "x.sort() == [1, 2, 3]", {"x": 5}, {"x": NUMBERS}),
        (233, 'x.sort() == ["a", "a", "b", "b", "c", "c"]', {"x": 10}, {"x": TEXTS}),
        (222, "x.sort() == []", {"x": 10}, {"x": NUMBERS}),
        (226, "x.sortBy(m, m['x']) == [{'x':3}, {'x':4}]", {"x": 5}, {"x": list_of(DYN)}),
        (
            197,
            "x.sortBy(m, m['x']) == [{'x': 'a'}, {'x': 'b'}, {'x': 'c'}]",
            {"x": 3},
            {"x": list_of(Kind("map", (STRING, STRING)))},
        ),
        (
            6,
            "self.a == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')",
            {},
            {"self": Kind("map", (STRING, TIME))},
        ),
        (5, "self.a != self.b", {}, {"self": Kind("map", (STRING, BOOL))}),
        (3, "self.a != true", {}, {"self": Kind("map", (STRING, BOOL))}),
    ],
)
def test_an_expression_costs_what_cel_go_estimates(wanted, expression, hints, variables):
    assert cost(expression, hints, **variables) == wanted


_IPV6 = "'2001:db8:3333:4444:5555:6666:7777:8888'"
_URL = "url('https:://kubernetes.io/')"


# What Kubernetes 1.36 estimates at most (apiserver/pkg/cel/library/cost_test.go).
@pytest.mark.parametrize(
    ("wanted", "expression"),
    [
        (15, "[1, 2, 3, 4, 5].sum()"),
        (15, "[1.0, 2.0, 3.0, 4.0, 5.0].isSorted()"),
        (20, "[uint(1), uint(2), uint(3), uint(4), uint(5)].max()"),
        (20, "[duration('1s'), duration('2s'), duration('3s'), duration('4s'), duration('5s')].min()"),
        (5, "'01234567890123456789012345678901234567890123456789'.indexOf('123')"),
        (5, "'01234567890123456789012345678901234567890123456789'.lastIndexOf('123')"),
        (4, f"{_URL}.getHost()"),
        (4, f"{_URL}.getQuery()"),
        (9, f"{_URL} == {_URL}"),
        (5, f"{_URL} == url('http://x.b')"),
        (2, "ip('192.168.0.1')"),
        (3, "ip('192.168.0.1').family()"),
        (4, f"ip({_IPV6})"),
        (5, "ip('192.168.0.1') == ip('192.168.0.1')"),
        (3, "ip.isCanonical('192.168.0.1')"),
        (8, f"ip.isCanonical({_IPV6})"),
        (3, "'ABCDEFGHIJ abcdefghij'.lowerAscii()"),
        (9, "'ABCDEFGHIJ abcdefghij'.lowerAscii() == 'abcdefghij ABCDEFGHIJ'.lowerAscii()"),
        (3, "strings.quote('ABCDEFGHIJ abcdefghij')"),
        (11, "strings.quote('ABCDEFGHIJ abcdefghij') == strings.quote('ABCDEFGHIJ abcdefghij')"),
        (3, "'abc 123 def 123'.replace('123', '456')"),
        (3, "'abc 123 def 123'.replace('', 'x')"),
        (3, "'abc 123 def 123'.split(' ')"),
        (2, "'abc 123 def 123'.substring(5, 8)"),
        (2, "'  abc 123 def 123  '.trim()"),
        (2, "'abc 123 def 123'.find('123')"),
        (2, "'abc 123 def 123'.findAll('123')"),
        (350003, "authorizer.path('/healthz').check('get').allowed()"),
        (
            350007,
            "authorizer.group('apps').resource('d').subresource('s').namespace('t').name('b').check('c').errored()",
        ),
        (1, 'quantity("12Mi")'),
        (1, 'isQuantity("20M")'),
        (3, 'quantity("200M") == quantity("200M")'),
        (3, 'quantity("50M").isLessThan(quantity("50Mi"))'),
        (5, 'quantity("50k").add(quantity("20")) == quantity("50.02k")'),
        (3, 'quantity("50k").asInteger() > 0'),
        (1, 'semver("1.0.0")'),
        (4, 'semver("1234.56789012345.67890123456789")'),
        (3, 'semver("1.0.0").isLessThan(semver("1.1.0"))'),
        (41, "{'a': 1, 'b': 2}.all(k, v, v > 0)"),
        (43, "{'a': 1, 'b': 2}.exists(k, v, v > 0)"),
        (40, "{'a': 1, 'b': 2}.existsOne(k, v, v > 0)"),
        (71, "{'a': 1, 'b': 2}.transformMap(k, v, v + 1)"),
        (75, "{'a': 1, 'b': 2}.transformMap(k, v, v < 5, v + 1)"),
        (131, "{'a': 1, 'b': 2}.transformMapEntry(k, v, {k: v + 1})"),
        (135, "{'a': 1, 'b': 2}.transformMapEntry(k, v, v < 5, {k: v + 1})"),
        (21, "[1, 2].all(i, v, v > 0)"),
        (49, "[1, 2].transformList(i, v, v + 1)"),
        (53, "[1, 2].transformList(i, v, v < 5, v + 1)"),
        (15, "[1, 2, 3, 4, 5].indexOf(3)"),
        (21, "[uint(1), uint(2), uint(3), uint(4), uint(5)].lastIndexOf(uint(3))"),
        (26, "lists.range(4) == [0, 1, 2, 3]"),
        (18446744073709551615, "lists.range(4 / 2) == [0, 1]"),
        (46, "[[1, 2], 3].flatten(2) == [1, 2, 3]"),
        (50, "[1, 2, 3].distinct() == [1, 2, 3]"),
        (34, "[1, 2, 3].slice(1, 3) == [2, 3]"),
        (21, "sets.contains([], [])"),
        (22, "sets.contains([1], [1])"),
        (29, "sets.contains([1, 2, 3, 4], [2, 3])"),
        (25, "sets.equivalent([1, 1], [1])"),
    ],
)
def test_a_function_of_kubernetes_costs_what_kubernetes_estimates(wanted, expression):
    kinds = {"authorizer": Kind("authorizer")} if expression.startswith("authorizer") else {}
    assert cost(expression, **kinds) == wanted


def _schema(kind: str, most: int | None, name: str = "maxLength", **more: object) -> dict:
    """A schema as the tests of Kubernetes write them, bounded or not."""
    form = {"format": kind} if kind in ("duration", "date", "date-time", "byte") else {}
    bound = {} if most is None else {name: most}
    if kind == "int-or-string":
        return {"x-kubernetes-int-or-string": True, **bound, **more}
    return {"type": "string" if form else kind, **form, **bound, **more}


def _array(kind: str | dict, most: int | None) -> dict:
    items = kind if isinstance(kind, dict) else _schema(kind, None)
    return _schema("array", most, "maxItems", items=items)


def _map(kind: str | dict, most: int | None) -> dict:
    values = kind if isinstance(kind, dict) else _schema(kind, None)
    return _schema("object", most, "maxProperties", additionalProperties=values)


def _objects(most: int | None) -> dict:
    text = {"type": "string"}
    return _array(
        {"type": "object", "properties": {"required": text, "optional": text}, "required": ["required"]}, most
    )


def _pairs(most: int | None) -> dict:
    text = {"type": "string"}
    value = {"type": "object", "properties": {"required": text, "optional": text}, "required": ["required"]}
    return _array(_map(value, most), most)


def _replaced(most: int | None) -> dict:
    names = {"str": most, "before": 2, "after": 4}
    return {"type": "object", "properties": {name: _schema("string", most) for name, most in names.items()}}


def _words(most: int | None) -> dict:
    return _array(_schema("string", most), most)


# (of a schema without bounds, with this bound, of the schema with it, rule): apiextensions-apiserver 1.36,
# pkg/apiserver/schema/cel/compilation_test.go
@pytest.mark.parametrize(
    ("unbounded", "most", "bounded", "schema", "rule"),
    [
        (4718591, 10, 32, partial(_array, "number"), "self.all(x, true)"),
        (3145727, 20, 62, partial(_array, "string"), "self.all(x, true)"),
        (1887437, 5, 17, partial(_array, "boolean"), "self.all(x, true)"),
        (3145727, 100, 302, partial(_array, _array("number", None)), "self.all(x, true)"),
        (555128, 50, 152, _objects, "self.all(x, true)"),
        (1348169, 10, 32, partial(_map, "number"), "self.all(x, true)"),
        (1179647, 3, 11, partial(_map, "string"), "self.all(x, true)"),
        (943718, 100, 302, partial(_map, "boolean"), "self.all(x, true)"),
        (314574, 10, 5, partial(_schema, "string"), "self.contains('test')"),
        (2, 15, 2, partial(_schema, "string"), "self.startsWith('test')"),
        (2, 30, 2, partial(_schema, "string"), "self.endsWith('test')"),
        (314578, 4, 7, partial(_schema, "string"), 'size(self + "hello") > size("hello")'),
        (2, 5000, 2, partial(_array, "number"), "self[1] == 0.0"),
        (314577, 8, 314577, partial(_array, "string"), "self[1] == self[1]"),
        (None, 10, 352, partial(_array, "number"), "self.all(x, self.all(y, true))"),
        (None, 10, 3552, partial(_array, "number"), "self.all(x, self.all(y, self.all(z, true)))"),
        (314574, 50, 22, partial(_schema, "string"), 'self.matches("x")'),
        (7, 10, 7, partial(_schema, "string"), '"".matches("(((((((((())))))))))[0-9]")'),
        (1, 100, 1, partial(_schema, "string"), 'self.matches("")'),
        (2752507, 10, 72, lambda most: _map(_schema("string", most), most), "self.all(x, x.contains(self[x]))"),
        (2, 0, 2, partial(_map, "number"), 'self["x"] == 0.0'),
        (2, 0, 1, partial(_schema, "string"), 'self == "x"'),
        (2, 0, 1, partial(_schema, "byte"), 'self == b"x"'),
        (6291454, 3 * 1024 * 2048, 25165826, partial(_array, "number"), "self.all(x, x == 0.0)"),
        (7340027, 10, 72, _pairs, 'self.all(x, x["y"].required == "z")'),
        (4718591, 10, 32, partial(_array, "int-or-string"), "self.all(x, true)"),
        (3, 10, 3, partial(_array, "int-or-string"), "self[0] == 5"),
        (2, 422, 2, _objects, "self[0] == null"),
        (3, 51, 3, partial(_array, _array("number", None)), "self[0][0] == -1.0"),
        (6291452, 12, 74, partial(_array, _map("number", None)), "self.all(x, x.y == 25.2)"),
        (4, 3000, 4, partial(_array, _map("number", None)), "self[0].x > 2.0"),
        (2359295, 5, 17, partial(_array, "duration"), "self.all(x, true)"),
        (4, 525, 4, partial(_array, "duration"), "self[0].getHours() == 2"),
        (725936, 15, 47, partial(_array, "date"), "self.all(x, true)"),
        (428963, 25, 77, partial(_array, "date-time"), "self.all(x, true)"),
        (349526, 25, 77, partial(_map, "date-time"), "self.all(x, true)"),
        (629147, 10, 11, partial(_schema, "string"), "self.find('[0-9]+') == ''"),
        (329853068905, 10, 43, _words, "self.join(' ') == 'aa bb'"),
        (329854432052, 10, 52, _words, "self.isSorted() == true"),
        (629154, 4, 12, _replaced, "self.str.replace(self.before, self.after) == 'does not matter'"),
        (
            629160,
            10,
            22,
            lambda most: {"type": "object", "properties": dict.fromkeys(("str", "gap"), _schema("string", most))},
            "self.str.split(self.gap) == []",
        ),
        (314575, 10, 6, partial(_schema, "string"), "self.lowerAscii() == 'lower!'"),
        (5, 10, 5, partial(_map, "integer"), "oldSelf.size() == self.size()"),
        (8, 7, 8, partial(_map, "date-time"), 'self["a"] == self["b"]'),
        (8, 42, 8, partial(_map, "duration"), 'self["c"] == self["d"]'),
        (2, 1000, 401, partial(_schema, "string", enum=["A", "B", "LongValue"]), "self.contains('A')"),
        (314574, 20, 9, partial(_schema, "int-or-string"), "isQuantity(self)"),
    ],
)
def test_a_rule_costs_what_kubernetes_estimates_from_its_schema(unbounded, most, bounded, schema, rule):
    found = [
        expression_cost(rule, dict.fromkeys(("self", "oldSelf"), declared(schema(bound)))) for bound in (None, most)
    ]
    assert found[1] == bounded
    assert found[0] == unbounded or (unbounded is None and found[0] > 100_000_000)
