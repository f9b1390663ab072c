"""What the grammar of templates chooses from: functions, paths, constants and scalars of YAML."""

import re

from renderers.helm.functions import function_table

# What is not the same twice, asks outside, takes long, or has other words of its own.
_LEFT_OUT = re.compile(
    "now|ago|(must)?.*[dD]ate.*|durationRound|values|keys|shuffle|uuidv4|bcrypt|htpasswd|.*AES|derivePassword|lookup"
    "|getHostByName|env|expandenv|fail|call|fromToml|include|tpl|buildCustomCert|rand.*|gen.*|unixEpoch"
)
TABLE = {name: each for name, each in function_table().items() if not _LEFT_OUT.fullmatch(name)}
NAMES = sorted(TABLE)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMON = _words(
    "default quote printf print toYaml nindent indent trunc trimSuffix replace contains and or not eq ne lt list dict"
    " hasKey get index ternary empty coalesce toString int len b64enc lower join split splitList first merge set pick"
    " kindIs"
)
# What surely gives a value of each kind.
GIVING = {
    "string": _words("toString quote upper lower printf trim b64enc replace join toYaml toJson trunc print cat title"),
    "int": _words("len int atoi len"),
    "bool": _words("eq ne not empty hasKey contains hasPrefix kindIs regexMatch has and"),
    "list": _words("list splitList until uniq concat compact append reverse rest sortAlpha without pluck"),
    "map": _words("dict pick omit merge mergeOverwrite set deepCopy split fromYaml"),
    "float": _words("float64 float64 addf round"),
}
_OF_LISTS = _words("append compact first initial last prepend push rest reverse slice uniq without sortAlpha concat")
# What `any` is for these, most of the time.
KINDS = {
    **dict.fromkeys((*_OF_LISTS, *(f"must{name.title()}" for name in _OF_LISTS)), ("list",)),
    **dict.fromkeys(("chunk", "mustChunk"), ("int", "list")),
    **dict.fromkeys(("has", "mustHas"), ("any", "list")),
    "join": ("string", "list"),
    "index": ("list", "int"),
    "len": ("list",),
    "deepCopy": ("map",),
    "typeIsLike": ("string", "any"),
}
TEXTS = (
    '"a"', '"a b,c"', '""', '"1.50"', '"héllo"', "`q\"'`", '"x\\ny"', '"true"', '"0x1f"', '"null"', '" x "', '"a: 1"',
    '"FooBar-baz_2"', '"1.2.3"', '"[1, 2]"', '"{\\"a\\": 1}"', '"- x"', '"%s-%v"', '"%5.2f|%-4d|%q"', '"\\xff"', '"🙂"',
    '"YQ=="', '"/a/../b.c"', '"http://u@h:1/p?q#f"', '"(a|b)+"', '"[a-z]"', '"k"', '"m"', '">=1.2 <2"', '"2020-01-02"',
)  # fmt: skip
WHOLE = _words("0 1 2 3 -1 7 5")
NUMBERS = _words("0 1 2 3 -1 7 10 63 1.5 -2.25 1e3 0.1 0x1F 017 'a' 100000")
PATHS = _words("s i f b n l m e nope m.k m.m.k m.m m.z big big m.nope.x ls deep")
SCALARS = (
    "v", "'q'", '"dq\\t"', "12", "'12'", "0644", "1.50", "1e3", "true", "'true'", "yes", "'no'", "~", "null", "''",
    ".5", "2024-01-02", "1_000", "0x1F", "12:30", "-", "'- a'", "'a: b'", "a b", "é", "' lead'", "'trail '", "'#'",
    "'*a'",
    "'@x'", '"two\\nlines"', '"end\\n"', '"\\ttab"', "12345678901", "1.0", "0o17", "'='", "'<<'",
    "'%'", '"it\'s"', "'{a}'",
)  # fmt: skip
