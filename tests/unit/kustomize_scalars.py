"""Random scalars in every style, and objects, patches and replacements made of them, as texts for a kustomization."""

import json
import random
from collections.abc import Callable

from yaml import CBaseLoader, YAMLError, load
from yaml._yaml import CParser
from yaml.events import DocumentStartEvent, StreamEndEvent

WORDS = (
    *(
        "a",
        "word",
        "two words",
        "a  b",
        "# no",
        "a # b",
        "ab#c",
        "- item",
        "k: v",
        "k:",
        "c:d",
        ",",
        "a, b",
        "'q'",
        '"d"',
    ),
    *(
        "{a}",
        "[b]",
        "*star",
        "&anc",
        "!tag",
        "%dir",
        "@at",
        "`tick",
        "|",
        "> x",
        "?",
        "? q",
        "-",
        "---",
        "...",
        "=",
        "<<",
    ),
    *("0", "true", "yes", "null", "~", "1e3", "0x1f", "2001-01-01", "end.", "long " * 20, "a" * 90),
    *(
        "é",
        "漢字",
        "😀",
        "\u00a0nb",
        "a\tb",
        "\ta",
        "tr ",
        "tr\t",
        "\u2028",
        "a\u2028b",
        "\u0085",
        "a\u0085b",
        "\ufeff",
    ),
)
ESCAPES = ("\\n", "\\t", "\\x07", "\\u00e9", "\\N", "\\_", "\\L", "\\ ", "\\e", "\\0", "\\U0001F600")

Files = dict[str, str]


class Scalars:
    """Makes texts; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    # --- scalars --------------------------------------------------------------------------------------------------

    def _lines(self) -> list[str]:
        choice = self._random
        made = []
        for _ in range(choice.choice((0, 1, 1, 2, 2, 3, 3, 4, 5))):
            kind = choice.random()
            if kind < 0.25:
                made.append("")
            elif kind < 0.3:
                made.append(" " * choice.randint(1, 4))
            else:
                made.append(" " * choice.choice((0, 0, 0, 0, 1, 2, 3)) + choice.choice(WORDS))
        return made

    def block(self, parent: int) -> str:
        """A literal or folded block below something that stands at `parent`."""
        choice, lines = self._random, self._lines()
        deeper = choice.randint(1, 4)
        first = next((line for line in lines if line.strip(" ")), "")
        hint = str(deeper) if first.startswith(" ") or choice.random() < 0.1 else ""
        chomp = choice.choice(("", "", "-", "+"))
        head = choice.choice("|>>>") + (hint + chomp if choice.random() < 0.5 else chomp + hint)
        if choice.random() < 0.1:
            head += " # comment"
        margin = " " * (parent + deeper)
        empty = ("", "", " " * choice.randint(0, parent + deeper))
        return head + "\n" + "".join((margin + line if line else choice.choice(empty)) + "\n" for line in lines)

    def _quoted(self, parent: int) -> str:
        choice, lines = self._random, self._lines() or [""]
        margin = " " * (parent + choice.randint(1, 4))
        if choice.random() < 0.5:
            return "'" + f"\n{margin}".join(line.replace("'", "''") for line in lines) + "'\n"
        parts = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
        if choice.random() < 0.3:
            parts[-1] += choice.choice((*ESCAPES, " \\\n" + margin))
        return '"' + f"\n{margin}".join(parts) + '"\n'

    def _plain(self, parent: int) -> str:
        choice = self._random
        words = [choice.choice(WORDS).strip() for _ in range(choice.choice((1, 1, 2, 3)))]
        return ("\n" + " " * (parent + choice.randint(1, 4))).join(words) + "\n"

    def scalar(self, parent: int) -> str:
        """Any scalar."""
        choice = self._random
        kind = choice.random()
        tag = choice.choice(("!!str ", "! ")) if choice.random() < 0.04 else ""
        style = self.block if kind < 0.6 else self._quoted if kind < 0.8 else self._plain
        return tag + style(parent)

    # --- objects --------------------------------------------------------------------------------------------------

    def _field(self, lead: str, parent: int, make: Callable[[int], str] | None = None) -> str:
        """A field that is YAML."""
        for _ in range(20):
            text = lead + (make or self.block)(parent)
            if is_yaml(f"root:\n{text}"):
                return text
        return lead + "x\n"

    def thing(self, name: str) -> str:
        """An object with eight fields of all forms."""
        fields = ["spec:\n"]
        for number in range(8):
            lead, scalar = f"  f{number}:", self.scalar
            match self._random.randrange(5):
                case 0 | 1:
                    fields.append(self._field(f"{lead} ", 2, scalar))
                case 2:
                    fields.append(self._field(f"{lead}\n    g: ", 4, scalar))
                case 3:
                    fields.append(self._field(f"{lead}\n  - ", 2, scalar))
                case _:
                    fields.append(self._field(f"{lead}\n    - g: ", 6, scalar))
        return f"apiVersion: v1\nkind: Thing\nmetadata:\n  name: {name}\n" + "".join(fields)

    def changed(self, number: int) -> tuple[Files, dict[str, str]]:
        """An object that a patch, a replacement or a merge changes: its files, and the entries of a kustomization."""
        name = f"n{number}"
        files = {f"r{number}.yaml": self._object(name)}
        target = f"  target: {{kind: Thing, name: {name}}}\n"
        match self._random.randrange(6):
            case 0:
                files[f"p{number}.yaml"] = self._object(name)
                return files, {"patches": f"- path: p{number}.yaml\n"}
            case 1:
                patch = "- op: add\n  path: /spec/c\n" + self._field("  value: ", 2)
                files[f"p{number}.yaml"] = patch.rstrip("\n") if self._random.random() < 0.5 else patch
                return files, {"patches": f"- path: p{number}.yaml\n{target}"}
            case 2:
                patch = json.dumps("- op: replace\n  path: /spec/b\n" + self._field("  value: ", 2), ensure_ascii=False)
                return files, {"patches": f"- patch: {patch}\n{target}"}
            case 3:
                select = f"{{kind: Thing, name: {name}}}"
                source = f"- source: {{kind: Thing, name: {name}, fieldPath: spec.a}}\n"
                paths = "    fieldPaths: [spec.b, spec.d]\n    options: {create: true}\n"
                return files, {"replacements": f"{source}  targets:\n  - select: {select}\n{paths}"}
            case 4:
                files[f"r{number}.yaml"] = self._config_map(name)
                options = "  behavior: merge\n  literals: [c=d]\n  options: {disableNameSuffixHash: true}\n"
                return files, {"configMapGenerator": f"- name: {name}\n{options}"}
        indented = "".join(f"  {line}" for line in self._object(name).splitlines(keepends=True))
        files[f"r{number}.yaml"] = "apiVersion: v1\nkind: List\nitems:\n-" + indented[1:]
        return files, {}

    def _object(self, name: str) -> str:
        fields = self._field("  a: ", 2) + self._field("  b: ", 2)
        return f"apiVersion: v1\nkind: Thing\nmetadata:\n  name: {name}\nspec:\n{fields}"

    def _config_map(self, name: str) -> str:
        fields = self._field("  a: ", 2) + self._field("  b: ", 2)
        return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{fields}"


def is_yaml(text: str) -> bool:
    """Whether a text is one document, by its lines as well."""
    if "\n---" in text or "\n..." in text:
        return False
    try:
        parser, documents = CParser(text), 0
        while type(event := parser.get_event()) is not StreamEndEvent:
            documents += type(event) is DocumentStartEvent
        load(text, Loader=CBaseLoader)
    except (YAMLError, ValueError):
        return False
    return documents == 1


def build_of(units: list[tuple[Files, dict[str, str]]]) -> Files:
    """One kustomization over the files of many."""
    files: Files = {}
    fields: dict[str, str] = {}
    for own, entries in units:
        files |= own
        for field, text in entries.items():
            fields[field] = fields.get(field, "") + text
    resources = "".join(f"- {name}\n" for name in files if name.startswith("r"))
    rest = "".join(f"{field}:\n{text}" for field, text in fields.items())
    return {**files, "kustomization.yaml": f"resources:\n{resources}{rest}"}
