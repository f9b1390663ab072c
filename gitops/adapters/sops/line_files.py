"""Files of lines that SOPS encrypted: dotenv and ini, whose sops block is spread over lines of their own."""

from collections.abc import Callable
from typing import Final, NamedTuple

from gitops.adapters.sops.metadata import Metadata, read_metadata, unflattened
from gitops.adapters.sops.values import Time, Walk, float_text
from gitops.model.errors import RenderError

_PREFIX: Final = "sops_"
_SECTION: Final = "sops"
_SEALED: Final = "ENC[AES256_GCM,"
_TRIPLE: Final = '"""'


def opened_dotenv(data: bytes, name: str, walk_of: Callable[[Metadata], Walk]) -> bytes | None:
    """The file in the clear, as SOPS writes it; None where nothing in it is SOPS'. Raises RenderError."""
    lines = [line for line in _text(data, name).split("\n") if line]
    if any("=" not in line for line in lines if not line.startswith("#")):
        raise RenderError(f"{name}: holds what SOPS encrypted, and a line that is neither NAME=VALUE nor a comment")
    pairs = [line.partition("=")[::2] if not line.startswith("#") else ("#", line[1:]) for line in lines]
    block = {key.removeprefix(_PREFIX): text for key, text in pairs if key.startswith(_PREFIX)}
    if "mac" not in block:
        return None
    walk = walk_of(read_metadata(unflattened(block, name), name))
    written = []
    for key, text in pairs:
        if key == "#":
            written.append(f"#{walk.comment((), text)}\n")
        elif not key.startswith(_PREFIX):
            value = _shown(walk.leaf((key,), text.replace("\\n", "\n")))
            written.append(f"{key}={value.replace(chr(10), chr(92) + 'n')}\n")
    walk.check()
    return "".join(written).encode()


class _Line(NamedTuple):
    """A key with its value, or with no key a comment."""

    key: str
    text: str


def opened_ini(data: bytes, name: str, walk_of: Callable[[Metadata], Walk]) -> bytes | None:
    """The same for an ini file."""
    sections = _sections(_text(data, name), name)
    block = {line.key: line.text for title, _, lines in sections if title == _SECTION for line in lines if line.key}
    if "mac" not in block:
        return None
    walk = walk_of(read_metadata(unflattened(block, name), name))
    written = []
    for title, comment, lines in sections:
        if title == _SECTION:
            continue
        head = _comment_lines(walk.comment((title,), comment)) if comment else ""
        width = max((len(line.key) for line in lines), default=0)
        body = [_ini_line(walk, title, line, width) for line in lines]
        written.append(f"{head}[{title}]\n{''.join(body)}")
    walk.check()
    return "\n".join(written).encode()


def _ini_line(walk: Walk, title: str, line: _Line, width: int) -> str:
    if not line.key:
        return _comment_lines(walk.comment((title,), line.text))
    return f"{line.key:<{width}} = {_quoted(_shown(walk.leaf((title, line.key), line.text)))}\n"


def _comment_lines(text: str) -> str:
    """A comment as SOPS writes it, of one line or of several: those after the first have their own mark."""
    lines = [f"{line[0]} {line[1:].strip()}" if line[:1] in (";", "#") else f"; {line}" for line in text.split("\n")]
    return "".join(f"{line}\n" for line in lines)


def _sections(text: str, name: str) -> list[tuple[str, str, list[_Line]]]:
    """Title, comment before it, and lines of each section, as SOPS writes them: one line each."""
    found: list[tuple[str, str, list[_Line]]] = []
    comment = ""
    for line in text.split("\n"):
        line = line.strip()
        if not line:
            continue
        if line[0] in ";#":
            if not comment.startswith(_SEALED):  # what somebody wrote below it by hand, SOPS does not see
                comment = f"{comment}\n{line}" if comment else line[1:].strip()
        elif line[0] == "[" and line[-1] == "]":
            found.append((line[1:-1], comment, []))
            comment = ""
        else:
            key, equals, value = line.partition("=")
            if not equals or not found:
                raise RenderError(f"{name}: holds what SOPS encrypted, and a line that is no ini")
            found[-1][2].extend([_Line("", comment)] if comment else [])
            comment = ""
            found[-1][2].append(_Line(key.strip(), value.strip()))
    return found


def _quoted(text: str) -> str:
    """A value as ini has it: in quotes where it would be read as something else."""
    if "\n" in text or "`" in text:
        return f"{_TRIPLE}{text}{_TRIPLE}"
    if "#" in text or ";" in text:
        return f"`{text}`"
    return f'"{text}"' if text != text.strip() else text


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    return str(value) if not isinstance(value, Time) else str.__str__(value)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RenderError(f"{name}: holds what SOPS encrypted, and is not text (UTF-8)") from None
