"""Fault specifications."""

import pytest

from gitops.sandbox.faults import FaultError, Faults, parse_faults


def test_every_part_may_be_given():
    faults = parse_faults("error=429:5%,500:2%,reset:1%,delay=50ms..2s,watch-close=10s,compact=30s")
    assert faults == Faults(((429, 0.05), (500, 0.02)), 0.01, (0.05, 2.0), 10.0, 30.0)


@pytest.mark.parametrize("text", ["", "none"])
def test_no_faults_are_no_faults(text):
    assert parse_faults(text) == Faults()


@pytest.mark.parametrize("text", ["error=200:5%", "error=500", "delay=fast", "explode=1s", "error=500:500%"])
def test_a_part_that_cannot_be_read_is_named(text):
    with pytest.raises(FaultError, match=r"fault '.*': expected"):
        parse_faults(text)


def test_resets_may_be_asked_for_alone():
    assert parse_faults("reset:1%") == parse_faults("error=reset:1%") == Faults(reset=0.01)


def test_a_certain_failure_always_comes():
    assert {parse_faults("error=503:100%").chosen_failure() for _ in range(20)} == {503}
    assert {parse_faults("error=reset:100%").chosen_failure() for _ in range(20)} == {-1}
