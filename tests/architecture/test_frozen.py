"""What the lowest floors pass around is frozen: what changes is a new value."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def decorators(place):
    """Each dataclass below the folder, with what its decorator says."""
    for path in sorted((ROOT / place).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for said in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                if ast.unparse(said).startswith(("dataclass", "dataclasses.dataclass")):
                    yield f"{path.relative_to(ROOT)}: {node.name}", ast.unparse(said)


@pytest.mark.parametrize("place", ["gitops/manifests", "gitops/model", "gitops/engine", "policies"])
def test_data_of_the_pure_floors_is_frozen(place):
    found = dict(decorators(place))
    assert found
    assert [name for name, said in found.items() if "frozen=True" not in said] == []
