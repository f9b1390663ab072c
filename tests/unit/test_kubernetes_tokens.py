"""Tokens of the cluster: what a review says, and how often one is asked for."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gitops.model.errors import UnreachableError
from gitops.server.auth import kubernetes_tokens
from gitops.server.auth.kubernetes_tokens import KubernetesTokens, person_of
from gitops.server.problems import Problem

ROBOT = {"username": "system:serviceaccount:shop:robot", "groups": ["system:serviceaccounts", "role:admin", 5]}
GOOD = {"authenticated": True, "user": ROBOT, "audiences": ["gitops"]}


class Reviews:
    """A cluster that says `answers` of the tokens that it knows."""

    def __init__(self, **answers):
        self.answers, self.asked, self.now = answers, [], datetime(2026, 1, 1, tzinfo=UTC)
        self.is_away = False
        self.tokens = KubernetesTokens(self.review, "gitops", lambda: self.now)

    async def review(self, token, audience):
        self.asked.append((token, audience))
        await asyncio.sleep(0)
        if self.is_away:
            raise UnreachableError("https://10.0.0.1: no answer")
        return self.answers.get(token, {"user": {}, "error": "unknown"})

    def find(self, token):
        return asyncio.run(self.tokens.find(token))


def test_a_token_is_whose_the_cluster_says_and_its_groups_are_no_roles_of_ours():
    found = Reviews(good=GOOD).find("good")
    assert (found.name, found.groups, found.roles) == (ROBOT["username"], ("system:serviceaccounts",), ())


@pytest.mark.parametrize(
    "change",
    [
        {"authenticated": False},
        {"authenticated": "true"},
        {"audiences": ["https://kubernetes.default.svc"]},
        {"audiences": None},
        {"audiences": "gitops"},
        {"user": {}},
        {"user": "ada"},
        {"user": {"username": "role:admin"}},
        {"user": {"username": "a\nb"}},
        {"user": {"username": "x" * 300}},
        {"user": {"username": "ada", "groups": ["x"] * 2000}},
    ],
)
def test_whatever_else_a_review_says_is_nobodys_token(change):
    assert person_of({**GOOD, **change}, "gitops") is None


def test_an_answer_counts_for_a_moment_and_is_kept_by_a_hash_alone():
    reviews = Reviews(good=GOOD)
    for _ in range(5):
        assert reviews.find("good")
        assert reviews.find("bad") is None
    assert reviews.asked == [("good", "gitops"), ("bad", "gitops")]
    assert "good" not in repr(reviews.tokens._known)
    reviews.answers = {}
    reviews.now += timedelta(seconds=61)
    assert reviews.find("good") is None


def test_many_who_send_one_token_at_once_are_one_review():
    reviews = Reviews(good=GOOD)

    async def together():
        return await asyncio.gather(*[reviews.tokens.find("good") for _ in range(20)])

    assert len({person.name for person in asyncio.run(together())}) == 1
    assert len(reviews.asked) == 1


def test_tokens_of_chance_have_so_many_reviews_asked_and_keep_nobody_out_who_was_in(monkeypatch):
    monkeypatch.setattr(kubernetes_tokens, "_MOST_NEW", 3)
    reviews = Reviews(good=GOOD)
    reviews.find("good")
    for number in range(2):
        reviews.find(f"chance-{number}")
    with pytest.raises(Problem, match="too many"):
        reviews.find("chance-9")
    reviews.now += timedelta(seconds=9)
    assert reviews.find("good")
    reviews.now += timedelta(seconds=60)
    assert reviews.find("chance-9") is None


def test_a_cluster_that_does_not_answer_lets_nobody_in_and_is_asked_again():
    reviews = Reviews(good=GOOD)
    reviews.is_away = True
    with pytest.raises(Problem) as told:
        reviews.find("good")
    assert (told.value.status, "10.0.0.1" in told.value.detail) == (503, False)
    reviews.is_away = False
    assert reviews.find("good")


def test_only_so_many_answers_are_kept(monkeypatch):
    monkeypatch.setattr(kubernetes_tokens, "_MOST_KEPT", 10)
    reviews = Reviews()
    for number in range(40):
        reviews.find(str(number))
    assert (len(reviews.tokens._known), len(reviews.tokens._locks)) == (10, 0)
