"""What is installed is all that there is."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_is_in_the_wheel():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    places = [place for top in ("gitops", "renderers", "policies") for place in (ROOT / top).rglob("__init__.py")]
    found = {".".join(place.parent.relative_to(ROOT).parts) for place in places}
    assert found <= listed
    assert listed - found == {"gitops.sample_repo"}
