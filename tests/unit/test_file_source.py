"""Applications of files: each is its first file's, and a file that is wrong takes nothing away."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from gitops.controller.file_source import Files
from gitops.controller.registry import ApplicationRegistry
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.testing.clock import SteppedClock


def read(path):
    """Names of Applications; "?" cannot be read."""
    text = path.read_text()
    if "?" in text:
        raise ConfigError("cannot be read")
    return [Application(name, "") for name in text.split()]


def followed(folder, *commits):
    """What is held, and which files are wrong, after each of the changes."""
    held, wrong, clock, found = {}, {}, SteppedClock(), []
    registry = ApplicationRegistry(lambda entry: held.update({entry.app.identity: entry.trusted}), held.pop)

    def write(change):
        for name, text in change.items():
            (folder / name).write_text(text) if text is not None else (folder / name).unlink()

    async def follow():
        write(commits[0])
        source = Files(folder, read, registry, clock, wrong.__setitem__)
        source.begin()
        following = asyncio.create_task(source.run())
        await asyncio.sleep(0)
        for change in ({}, *commits[1:]):
            write(change)
            await clock.step(3)
            bad = {Path(path).name: text for path, text in wrong.items() if text}
            found.append((sorted(name.rpartition("/")[2] for name in held), bad))
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    asyncio.run(follow())
    assert all(held.values()), "what the operator's files name is trusted"
    return found


def test_applications_of_files_come_and_go_with_them(tmp_path):
    found = followed(tmp_path, {"a.yaml": "x", "b.yaml": "y"}, {"b.yaml": "y z"}, {"b.yaml": None})
    assert found == [(["x", "y"], {}), (["x", "y", "z"], {}), (["x"], {})]


def test_what_an_editor_leaves_beside_and_files_of_other_kinds_are_not_read(tmp_path):
    found = followed(tmp_path, {"a.yaml": "x", ".b.yaml": "y", "c.yml": "z", "d.txt": "w"}, {".b.yaml": "?"})
    assert found == [(["x", "z"], {})] * 2


def test_a_file_that_is_wrong_keeps_what_it_had_and_is_told_until_it_is_right(tmp_path):
    found = followed(tmp_path, {"a.yaml": "x", "b.yaml": "y"}, {"a.yaml": "x ?", "b.yaml": "z"}, {"a.yaml": "w x"})
    assert found[1:] == [(["x", "z"], {"a.yaml": "cannot be read"}), (["w", "x", "z"], {})]


@pytest.mark.parametrize(
    ("first", "wrong"), [({"a.yaml": "x", "b.yaml": "x y"}, "b.yaml"), ({"a.yaml": "x x"}, "a.yaml")]
)
def test_an_application_that_is_there_twice_is_told_and_taken_once_at_most(tmp_path, first, wrong):
    ((held, bad),) = followed(tmp_path, first)
    assert held == (["x"] if len(first) == 2 else [])
    assert list(bad) == [wrong]
    assert "is there twice: in " in bad[wrong]


def test_an_application_that_an_earlier_file_takes_stays_while_both_have_it(tmp_path):
    found = followed(tmp_path, {"b.yaml": "x y"}, {"a.yaml": "x"}, {"a.yaml": None})
    assert [held for held, _ in found] == [["x", "y"]] * 3
    assert [list(bad) for _, bad in found] == [[], ["b.yaml"], []]
