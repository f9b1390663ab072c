"""The Secret of a kubeconfig that cannot be had is one error that says which, and why."""

import asyncio
from typing import Any

import pytest

from gitops.adapters.kubernetes.secret_kubeconfig import kubeconfig_at
from gitops.model.errors import ApiError, ConfigError, UnreachableError


class Home:
    """A cluster that answers each read alike."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def get(self, _: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ApiError(403, "Forbidden", "secrets is forbidden"), "cannot be read: .*secrets is forbidden"),
        (UnreachableError("no answer"), "cannot be read: no answer"),
        (None, "there is no Secret team/far"),
        ({"data": {"value": "%%%"}}, "has no entry value or value.yaml"),
        ({"data": "x"}, "has no entry value or value.yaml"),
    ],
)
def test_what_keeps_a_kubeconfig_from_being_read_is_said(answer: Any, said: str) -> None:
    home: Any = Home(answer)
    with pytest.raises(ConfigError, match=f"^destination.kubeConfig: .*{said}"):
        asyncio.run(kubeconfig_at(home, "team", "far", ""))
