"""What a pass tells, on a terminal: names and messages are shown as they are, whatever is in them."""

import asyncio
import io

import pytest
from rich.console import Console

from gitops.cli.display import Display
from gitops.manifests.key import ResourceKey
from gitops.model.health import Health, HealthWord
from gitops.model.result import Changed, Failure
from gitops.sync import events


@pytest.mark.parametrize("text", ["[/red]", "a\\[/red]", "[bold]x", "a\\"])
def test_brackets_in_names_and_messages_are_no_markup(text):
    key = ResourceKey("", "ConfigMap", "shop", text)
    screen = io.StringIO()
    display = Display(Console(file=screen, soft_wrap=True))
    for told in (
        events.Refused(Failure(key, text)),
        events.Wrote(Changed(key, "created")),
        events.HealthChanged(key, Health(HealthWord.PROGRESSING, text)),
        events.HealthChanged(key, Health(HealthWord.HEALTHY)),
        events.RollingBack(text, "a" * 40),
    ):
        display.emit(told)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 5
    assert all(text in line for line in lines)


def waiting(reason):
    return events.HealthChanged(
        ResourceKey("apps", "Deployment", "shop", "web"), Health(HealthWord.PROGRESSING, reason)
    )


def test_without_a_terminal_each_change_of_reason_is_a_line_and_a_wait_says_that_it_goes_on():
    screen = io.StringIO()

    async def wait():
        with Display(Console(file=screen, soft_wrap=True), every=0.05) as display:
            for reason in ("0 of 1", "0 of 1", "pod web-1: ImagePullBackOff"):
                display.emit(waiting(reason))
            await asyncio.sleep(0.12)
        said = screen.getvalue()
        await asyncio.sleep(0.1)
        assert screen.getvalue() == said, "over is over"

    asyncio.run(wait())
    lines = [line.strip() for line in screen.getvalue().splitlines()]
    web = "apps/Deployment shop/web"
    assert lines[:2] == [f"waiting   {web}: 0 of 1", f"waiting   {web}: pod web-1: ImagePullBackOff"]
    assert set(lines[2:]) == {f"waiting for 1: {web} (pod web-1: ImagePullBackOff) after 0 s"}
    assert lines[2:]
