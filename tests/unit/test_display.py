"""What a pass tells, on a terminal: names and messages are shown as they are, whatever is in them."""

import io

import pytest
from rich.console import Console

from gitops.cli.display import Display
from gitops.controller import news
from gitops.manifests.key import ResourceKey
from gitops.model.health import Health, HealthWord
from gitops.model.result import Changed, Failure


@pytest.mark.parametrize("text", ["[/red]", "a\\[/red]", "[bold]x", "a\\"])
def test_brackets_in_names_and_messages_are_no_markup(text):
    key = ResourceKey("", "ConfigMap", "shop", text)
    screen = io.StringIO()
    display = Display(Console(file=screen, soft_wrap=True))
    for told in (
        news.Refused(Failure(key, text)),
        news.Wrote(Changed(key, "created")),
        news.HealthChanged(key, Health(HealthWord.PROGRESSING, text)),
        news.HealthChanged(key, Health(HealthWord.HEALTHY)),
        news.RollingBack(text, "a" * 40),
    ):
        display.tell(told)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 5
    assert all(text in line for line in lines)
