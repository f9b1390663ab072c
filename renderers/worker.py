"""The process that renders what nobody vouches for: one render after another, each within limits.

A repository may hold a build that doubles with every folder, or gigabytes of YAML. Rendered in the controller such a
thing would slow, and in the end kill, what all others depend on; here it wastes no more than this process may.

    in   (pickle)  Job
    out  (JSON)    {"ask": "node" | "entries" | "read", "tree": number, "path": path}, any number of times, each
    out  (JSON)    {"ask": "decrypt", "name": file, "data": base64, "form": form}, answered by bytes, or by Refused
    in   (pickle)  answered by what `gitops.model.revision.Files` gives, or by Refused
    out  (JSON)    {"manifests": …}, {"needs": …}, {"error": class, "text": …} or {"fault": traceback}, with "reads"

What comes in is from the one who started us, and trusted; what goes out is not, so it is never a pickle. Files reach
this process through the other one only. Who starts it: `gitops.adapters.render_workers`.
"""

import base64
import contextlib
import json
import pickle
import resource
import sys
import traceback
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from gitops.manifests.errors import GitopsError
from gitops.manifests.manifest import Manifest
from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Entry, Node, Tree
from renderers.registry import render
from renderers.result import Context, Encrypted, Live, Needs, Remote

if TYPE_CHECKING:
    from gitops.model.application import SourceSpec

CPU_SECONDS: Final = 30
ANSWER_BYTES: Final = 32 * 1024 * 1024


class Known(NamedTuple):
    """Answers of `gitops.model.revision.Files` to questions that were not asked yet, by path."""

    nodes: dict[str, Node | None]
    entries: dict[str, list[Entry]]
    contents: dict[str, tuple[bytes, str]]


class Job(NamedTuple):
    """One render. `trees` are a label and a home each (see Tree): the source's own, then those of `remotes`.

    What is `known` is of the source's own.
    """

    spec: "SourceSpec"
    name: str
    namespace: str
    load_restrictor: Literal["root", "none"]
    enable_helm: bool
    remotes: tuple[Remote, ...]
    trees: tuple[tuple[str, str], ...]
    home: str
    live: Live | None
    known: Known
    decrypts: bool = False


class Refused(NamedTuple):
    """A question for a file cannot be answered."""

    text: str


class _Files:
    """`gitops.model.revision.Files` that asks the other process for what is not known."""

    def __init__(self, other: Connection, tree: int, known: Known) -> None:
        self._other = other
        self._tree = tree
        self._known = known

    def node(self, path: str) -> Node | None:
        if path in self._known.nodes:
            return self._known.nodes[path]
        found: Node | None = self._ask("node", path)
        return found

    def entries(self, path: str) -> Iterable[Entry]:
        if path in self._known.entries:
            return self._known.entries[path]
        found: list[Entry] = self._ask("entries", path)
        return found

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        if path in self._known.contents:
            return self._known.contents[path]
        found: tuple[bytes, str] = self._ask("read", path)
        return found

    def _ask(self, question: str, path: str) -> Any:
        _say(self._other, {"ask": question, "tree": self._tree, "path": path})
        answer = _heard(self._other)
        if isinstance(answer, Refused):
            raise SourceError(answer.text)
        return answer


def main(descriptor: int, memory_bytes: int) -> None:
    """Render what the one at the other end of the socket asks for, until it hangs up."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write("1000")  # when the memory of all is short, it is this process that goes
    other = Connection(descriptor)
    while True:
        try:
            job = _heard(other)
        except EOFError:
            return
        _limit_cpu()
        _say(other, _answer(job, other))


def _answer(job: Job, other: Connection) -> dict[str, Any]:
    """What came of the job, and what was read for that."""
    nothing = Known({}, {}, {})
    tree, *others = (
        Tree(_Files(other, number, nothing if number else job.known), label, home)
        for number, (label, home) in enumerate(job.trees)
    )
    remotes = dict(zip(job.remotes, others, strict=True))
    context = Context(
        job.name,
        job.namespace,
        remotes,
        job.load_restrictor,
        job.enable_helm,
        home=job.home,
        live=job.live,
        decrypt=(lambda what: _decrypted(other, what)) if job.decrypts else None,
    )
    answer = _rendered(tree, job.spec, context)
    return {**answer, "reads": dict(tree.reads), "follows_links": tree.follows_links}


def _decrypted(other: Connection, what: Encrypted) -> bytes:
    """What the other process makes of it, which has the keys."""
    data = base64.b64encode(what.data).decode()
    _say(other, {"ask": "decrypt", "name": what.name, "data": data, "form": what.form})
    answer = _heard(other)
    if isinstance(answer, Refused):
        raise RenderError(answer.text)
    plain: bytes = answer
    return plain


def _rendered(tree: Tree, spec: "SourceSpec", context: Context) -> dict[str, Any]:
    try:
        answer = render(tree, spec, context)
    except GitopsError as error:
        return {"error": type(error).__name__, "text": str(error)}
    except (EOFError, BrokenPipeError):
        sys.exit(0)  # nobody is there any more to hear of it
    except MemoryError:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        text = f"{spec.path}: rendering it takes more than {limit // 2**20} MiB of memory (split it)"
        return {"error": RenderError.__name__, "text": text}
    except Exception:  # noqa: BLE001 - the other process raises it, where it is logged
        return {"fault": traceback.format_exc()}
    if isinstance(answer, Needs):
        return {"needs": answer}
    manifests = [_written(manifest) for manifest in answer.manifests]
    return {"renderer": answer.renderer, "manifests": manifests, "chance": answer.chance}


def _written(manifest: Manifest) -> tuple[Any, ...]:
    key, origin = manifest.key, manifest.origin
    return (key.group, key.kind, key.namespace, key.name), manifest.body, (origin.path, origin.line)


def _limit_cpu() -> None:
    """What this process has used so far is forgiven, `CPU_SECONDS` more are not; also when the other one is dead."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS, hard))


def _say(other: Connection, message: dict[str, Any]) -> None:
    other.send_bytes(json.dumps(message).encode())


def _heard(other: Connection) -> Any:
    return pickle.loads(other.recv_bytes())  # noqa: S301 - from the process that started us
