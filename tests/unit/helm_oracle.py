"""Asks the real Helm what it makes of templates, many at once, and says what we make of each.

`HELM` names the program; without it, one beside this Python or on the PATH is used. Expectations are recorded from
Helm 3.17. `python -m tests.unit.helm_oracle` records tests/data/helm/expressions.json anew, and adds the templates of
the files that it is given (each a JSON list of texts).
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from renderers.helm.encoders import from_yaml
from renderers.helm.engine import _deep
from renderers.helm.functions import function_table
from renderers.helm.functions_templates import REFUSAL
from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.state import Budget
from renderers.helm.gotemplate.templates import TemplateSet
from renderers.helm.objects import Values

_BESIDE = Path(sys.executable).parent / "helm"
HELM = os.environ.get("HELM") or (str(_BESIDE) if _BESIDE.exists() else shutil.which("helm"))
needs_helm = pytest.mark.skipif(HELM is None, reason="helm is not installed: name Helm 3.17 with HELM=...")
DATA = Path(__file__).parent.parent / "data" / "helm"
BATCH = 250


class Answer(NamedTuple):
    """What a template gives, or how it fails: one of the two is None."""

    gives: str | None
    fails: str | None


# What is refused here on purpose: lists without measure, and `slice` to beyond the end of a list, which gives what
# stands behind it in Go's memory, where there is room.
REFUSED_HERE = re.compile("numbers is refused|calling (?:s|mustS)lice: reflect.Value.Slice: slice index out of bounds")
# Helm fills its stack with a map that holds itself, or goes on without end.
NO_ANSWER = Answer(None, "")


def as_shown(text: str) -> str:
    """Text of a template as JSON can hold it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def our_answer(template: str, values: str, name: str = "x") -> Answer:
    """What we make of the template of that name."""
    found = TemplateSet(function_table())
    try:
        given = from_yaml(values)
    except ValueError as error:
        return Answer(None, f"cannot load values.yaml: {error}")
    try:
        with _deep():
            found.add(name, template)
            return Answer(as_shown(found.execute(name, {"Values": Values(given)}, Budget())), None)
    except TemplateError as error:
        return Answer(None, as_shown(_said(name, str(error))))
    except Exception as error:  # noqa: BLE001 (a fault of ours, told as a difference)
        return Answer(None, f"fault: {error!r}")


def _said(name: str, text: str) -> str:
    refused = re.search(f"{REFUSAL[0]}(.*){REFUSAL[1]}", text, re.DOTALL)
    if refused:
        return refused[1]
    if " executing " in text:
        return text
    parts = text.split(": ")  # as Helm shortens what is wrong with a template that it cannot read
    return f"parse error at ({parts[1]}): {parts[-1]}"


# ── Helm ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def name_of(number: int) -> str:
    """How Helm names the template of that number."""
    return f"t/templates/_c{number:05}.tpl"


def helm_answers(templates: list[str], values: str, ours: list[Answer]) -> list[Answer]:
    """What Helm makes of each; `ours` only says which are likely to fail, since each of these is asked apart."""
    alone = {number for number, text in enumerate(templates) if ours[number].fails is not None or _stands_alone(text)}
    good = [number for number in range(len(templates)) if number not in alone]
    batches = [good[at : at + BATCH] for at in range(0, len(good), BATCH)]
    batches += [[number] for number in sorted(alone)]
    found: dict[int, Answer] = {}
    with ThreadPoolExecutor(2) as pool:
        for answers in pool.map(lambda numbers: _batch(templates, numbers, values), batches):
            found |= answers
    return [found[number] for number in range(len(templates))]


def _stands_alone(text: str) -> bool:
    """Whether it may define what others define too, or change values that others see."""
    return re.search(r"define|block|set|[mM]erge", text) is not None


def _batch(templates: list[str], numbers: Iterable[int], values: str) -> dict[int, Answer]:
    left, found = set(numbers), dict[int, Answer]()
    with TemporaryDirectory() as folder:
        root = Path(folder) / "t"
        (root / "templates").mkdir(parents=True)
        (root / "Chart.yaml").write_text("apiVersion: v2\nname: t\nversion: 1.0.0\n")
        (root / "values.yaml").write_text(values)
        for number in left:
            (root / "templates" / f"_c{number:05}.tpl").write_text(templates[number])
            asking = f'x: "{{{{ include "{name_of(number)}" (dict "Values" .Values) | b64enc }}}}"\n'
            (root / "templates" / f"c{number:05}.yaml").write_text(asking)
        while left:
            done = _helm("template", "rel", str(root))
            if done.returncode != 1 and len(left) == 1 and done.returncode:
                return found | dict.fromkeys(left, NO_ANSWER)
            if done.returncode == 0:
                return found | _texts(done.stdout.decode(), left)
            number, said = _failure(done.stderr.decode("utf-8", "replace").strip(), left)
            found[number] = Answer(None, said)
            left.discard(number)
            (root / "templates" / f"_c{number:05}.tpl").unlink()
            (root / "templates" / f"c{number:05}.yaml").unlink()
    return found


def _helm(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    assert HELM is not None
    try:
        return subprocess.run([HELM, *arguments], capture_output=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, -1, b"", b"")


def _texts(printed: str, numbers: set[int]) -> dict[int, Answer]:
    found = {
        int(number): Answer(base64.b64decode(text).decode("utf-8", "replace"), None)
        for number, text in re.findall(r'# Source: t/templates/c(\d+)\.yaml\nx: "(.*)"', printed)
    }
    assert found.keys() == numbers, f"Helm prints nothing of {numbers - found.keys()}"
    return found


def _failure(said: str, numbers: set[int]) -> tuple[int, str]:
    """Which template fails and what Helm says of it, without where it was asked for."""
    told = re.search(r"t/templates/_?c(\d+)\.(?:tpl|yaml)", said)
    number = int(told[1]) if told else min(numbers)
    assert told or len(numbers) == 1, said
    said = said.removeprefix("Error: ").removesuffix("\n\nUse --debug flag to render out invalid YAML")
    said = re.sub(r"^execution error at \(t/templates/c\d+\.yaml:1:\d+\): ", "", said)
    return number, re.sub(r"^template: t/templates/c\d+\.yaml:.*?: error calling include: ", "", said)


def differences(templates: list[str], values: str) -> list[tuple[str, Answer, Answer]]:
    """The templates of which we make something else than Helm: each with Helm's answer and ours."""
    ours = [our_answer(text, values, name_of(number)) for number, text in enumerate(templates)]
    theirs = helm_answers(templates, values, ours)
    return [each for each in zip(templates, theirs, ours, strict=True) if _differ(*each[1:])]


def _differ(theirs: Answer, ours: Answer) -> bool:
    return theirs not in (ours, NO_ANSWER) and not REFUSED_HERE.search(ours.fails or "")


# ── the table of expressions ─────────────────────────────────────────────────────────────────────────────────────


def record(files: list[str]) -> None:
    """Write the table anew, with the templates of these files added; what differs from ours is printed."""
    table = DATA / "expressions.json"
    values = (DATA / "expressions-values.yaml").read_text()
    known = [case["template"] for case in json.loads(table.read_text())]
    more = [text for file in files for text in json.loads(Path(file).read_text())]
    templates = list(dict.fromkeys([*known, *more]))
    ours = [our_answer(text, values, name_of(number)) for number, text in enumerate(templates)]
    theirs = helm_answers(templates, values, ours)
    cases = []
    for number, (text, answer) in enumerate(zip(templates, theirs, strict=True)):
        if answer == NO_ANSWER:
            continue
        if answer != ours[number]:
            print(f"{text!r}\n  helm: {answer}\n  ours: {ours[number]}")
        fails = {"fails": (answer.fails or "").replace(name_of(number), "x")}
        said = {"gives": answer.gives} if answer.fails is None else fails
        cases.append(json.dumps({"template": text, **said}, ensure_ascii=False))
    table.write_text("[\n" + ",\n".join(cases) + "\n]\n")


if __name__ == "__main__":
    record(sys.argv[1:])
