"""CEL as Kubernetes writes it."""

import pytest

from gitops.manifests.cel import CelError, check_bounded, compiled, evaluate, is_beyond


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.size < 10 || self.color == 'blue'", True),
        ("has(self.color) && !has(self.weight)", True),
        ("self.parts.all(part, part.startsWith('a'))", True),
        ("self.parts.isSorted()", True),
        ("[1, 2].sum() == 3 && [1, 2].max() == 2", True),
        ("'abbc'.find('b+') == 'bb' && 'abab'.findAll('ab') == ['ab', 'ab']", True),
        ("isQuantity('1Gi') && !isQuantity('x') && isURL('https://a.example.com/x')", True),
        ("isIP('10.0.0.1') && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.1')", True),
        ("'Ab'.lowerAscii()", "ab"),
        ("self.size + 1", 10),
    ],
)
def test_an_expression_has_its_value(expression, value):
    assert evaluate(expression, {"self": {"size": 9, "color": "blue", "parts": ["a", "ab"]}}) == value


@pytest.mark.parametrize(
    "expression",
    [
        "sets.contains(self.parts, ['a']) && !sets.contains(self.parts, ['a', 'x'])",
        "sets.equivalent([1, 1, 2], [2, 1]) && sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2])",
        "quantity('1Gi') == quantity('1024Mi') && quantity(self.memory).isLessThan(quantity('2Gi'))",
        "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('2k').isGreaterThan(quantity('1k'))",
        "quantity('50k').add(20).sub(quantity('20')) == quantity('50k') && quantity('-1').sign() == -1",
        "quantity('50k').asInteger() == 50000 && !quantity('50m').isInteger()",
        "quantity('50m').asApproximateFloat() == 0.05",
        "url(self.link).getScheme() == 'https' && url(self.link).getHost() == 'a.Example.com:80'",
        "url(self.link).getHostname() == 'a.Example.com' && url(self.link).getPort() == '80'",
        "url(self.link).getEscapedPath() == '/with%20space' && url(self.link).getQuery() == {'k': ['v1', 'v 2']}",
        "url('https://a.example.com/').getQuery() == {} && url('/only/a/path').getHost() == ''",
        "url('https://[::1]:80/').getHost() == '[::1]:80' && url('https://[::1]:80/').getHostname() == '::1'",
        "isURL('/absolute') && !isURL('../relative') && !isURL('https:') && !isURL('a b')",
        "ip('127.0.0.1').family() == 4 && ip('127.0.0.1').isLoopback() && ip('::1') == ip('0:0:0:0:0:0:0:1')",
        "ip('ff02::1').isLinkLocalMulticast() && ip('fe80::1').isLinkLocalUnicast() && ip('::').isUnspecified()",
        "ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
        "ip.isCanonical('2001:db8::a') && !ip.isCanonical('2001:DB8::a') && !isIP('::ffff:1.2.3.4')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsCIDR(cidr('0.0.0.0/0'))",
        "cidr('10.9.0.1/8').masked() == cidr('10.0.0.0/8') && cidr('10.9.0.1/8').ip() == ip('10.9.0.1')",
        "cidr('fe80::/10').prefixLength() == 10 && !isCIDR('10.0.0.0/08')",
    ],
)
def test_a_function_that_kubernetes_adds_has_its_value(expression):
    link = "https://ada:secret@a.Example.com:80/with space?k=v1&k=v+2"
    assert evaluate(expression, {"self": {"link": link, "memory": "1Gi", "parts": ["a", "ab"]}}) is True


@pytest.mark.parametrize(
    "expression",
    [
        "self.sizes.all(name, size, size > 0) && self.sizes.exists(name, size, name == 'b' && size == 2)",
        "self.sizes.exists_one(name, size, size == 2) && self.parts.existsOne(place, part, part == 'b')",
        "self.parts.all(place, part, place < 3) && self.parts.exists_one(part, part == 'b')",
        "self.parts.transformList(place, part, place > 0, part) == ['b', 'a']",
        "self.sizes.transformMap(name, size, size + 1) == {'a': 2, 'b': 3}",
        "self.sizes.transformMap(name, size, size > 1, [size]) == {'b': [2]}",
        "self.sizes.transformMapEntry(name, size, {size: name}) == {1: 'a', 2: 'b'}",
        "self.parts.indexOf('a') == 0 && self.parts.lastIndexOf('a') == 2 && self.parts.indexOf('x') == -1",
        "[true].indexOf(true) == 0 && [1].indexOf(1.0) == 0 && [[1], [2]].indexOf([2]) == 1",
        "'äbcäb'.indexOf('b') == 1 && 'äbcäb'.indexOf('b', 2) == 4 && 'abc'.indexOf('', 2) == 2",
        "'äbcäb'.lastIndexOf('b') == 4 && 'äbcäb'.lastIndexOf('b', 3) == 1 && 'a'.lastIndexOf('a', 7) == -1",
        "'aa'.lastIndexOf('a', 0) == 0 && 'ba'.lastIndexOf('a', 0) == -1 && 'aa'.indexOf('a', 0) == 0",
        "'.indexOf(' + '.exists_one(a, b,' == r'.indexOf(' + '.exists_one(a, b,' // .indexOf(",
        "self.parts.distinct().size() == 2 && self.parts.sort() == ['a', 'a', 'b'] && lists.range(2) == [0, 1]",
        "[3, 1].sortBy(size, size) == [1, 3] && [[1], [2]].flatten() == [1, 2] && self.parts.slice(1, 2) == ['b']",
        "!sets.contains([1], [true]) && !sets.intersects([0], [false])",
    ],
)
def test_lists_and_loops_over_two_variables_are_as_in_kubernetes(expression):
    assert evaluate(expression, {"self": {"sizes": {"a": 1, "b": 2}, "parts": ["a", "b", "a"]}}) is True


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("self.sizes.transformMapEntry(name, size, {'z': size}) == {}", "insert failed: key z already exists"),
        ("self.parts.indexOf(1, 2) == 1", r"1:19: found no matching overload for 'indexOf'"),
        ("'a'.indexOf('b', -1) == 1", "index out of range: -1"),
        ("'a'.lastIndexOf('b', -1) == 1", "index out of range: -1"),
    ],
)
def test_an_error_in_a_function_that_is_spelled_anew_has_the_name_that_was_written(expression, error):
    with pytest.raises(CelError, match=error):
        evaluate(expression, {"self": {"sizes": {"a": 1, "b": 2}, "parts": ["a"]}})


@pytest.mark.parametrize("expression", ["quantity('x').sign()", "url('x').getHost()", "ip('1.2.3').family()"])
def test_a_text_that_is_nothing_of_the_kind_fails_the_expression(expression):
    with pytest.raises(CelError):
        evaluate(expression, {})


@pytest.mark.parametrize(
    ("expression", "beyond"),
    [
        ("!format.dns1123Label().validate(self.name).hasValue()", True),
        ("self.parts.all(i, part, i == 0 || part != 'x')", False),
        ("self.parts.indexOf('x') == -1", False),
        ("string(ip(self.name)) == self.name", True),
        ("self.parts.all(part, part == 'format.x(')", False),
        ("self.nam.mispelt(1)", False),
    ],
)
def test_a_call_of_a_missing_function_of_kubernetes_is_known(expression, beyond):
    assert is_beyond(expression) is beyond


def test_an_expression_that_does_not_compile_says_where():
    with pytest.raises(CelError, match="Syntax error"):
        evaluate("self.(", {"self": {}})


def test_an_expression_that_fails_says_why():
    with pytest.raises(CelError, match="weight"):
        evaluate("self.weight > 1", {"self": {}})


@pytest.mark.parametrize(
    "expression",
    [
        "status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')",
        "status.parents.all(p, p.conditions.exists(c, c.type == 'Accepted' && c.status == 'True'))",
        "has(status.phase) && status.phase in ['Done', 'map of it'] && status.ready + 1 > spec.replicas",
        "status.message.matches('^(done|ready) .+$')",
        "(status.parts.all(part, (part.ready)) ? 1 + 1 : 0) > 1 + 0",
    ],
)
def test_a_rule_that_only_looks_at_its_object_is_bounded(expression):
    check_bounded(expression)
    compiled(expression, ("metadata", "object", "spec", "status"))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("['x']" + ".map(a, a + a)" * 20 + ".size() > 0", "map can make values of any size"),
        ("['x'].map // a comment\n (a, [a, a]).size() > 0", "map can make"),
        ("'x'" + ".replace('x', 'xxxxxxxxxx')" * 9 + " == ''", "replace can make"),
        ("cel.bind(a, 'x', a) == ''", "bind can make"),
        ("sets // a comment\n.contains(status.a, status.a)", "sets.contains compares each with each"),
        ("status.a.distinct().size() > 1", "distinct compares each with each"),
        ("lists.range(9999999).size() > 1", "range can make"),
        ("status.a.transformMap(k, v, [v, v]).size() > 0", "transformMap can make"),
        ("status.a.all(a, (spec.b + spec.b).size() > 0)", r"a \+ in all"),
        ("true" + " && status.a.all(a, a)" * 5, "expected at most 4 of filter, all, exists and exists_one, got 5"),
    ],
)
def test_a_rule_that_can_make_much_of_little_is_refused(expression, reason):
    with pytest.raises(CelError, match=reason):
        check_bounded(expression)
