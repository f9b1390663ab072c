"""Whether the audit log is as it was written: each chain by its hashes, and its head against what the cluster keeps."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops.model.audit import Anchor, check_chain
from gitops.model.errors import AuditError
from gitops.ports import Store

Anchors = Mapping[tuple[str, str], Sequence[Anchor]]  # (application, cluster) → the heads that the cluster remembers


@dataclass(frozen=True, slots=True)
class ChainProof:
    """One chain: how many entries it has, up to which one the cluster vouches for it, and what is wrong, or ""."""

    application: str
    cluster: str
    entries: int
    anchored: int | None
    wrong: str = ""

    def data(self) -> dict[str, Any]:
        return {
            "application": self.application,
            "cluster": self.cluster,
            "entries": self.entries,
            "anchored": self.anchored,
            "whole": not self.wrong,
            "wrong": self.wrong,
        }


async def proofs_of(store: Store, anchors: Anchors, application: str = "") -> list[ChainProof]:
    """The proof of every chain, or of those of one Application; a chain that is anchored and not here is wrong too."""
    chains = await store.chains(application)
    found = [await _proof(store, chain, anchors.get(chain, ())) for chain in chains]
    for chain in sorted(anchors.keys() - set(chains)):
        own = [anchor for anchor in anchors[chain] if anchor.store == store.id]
        if own and application in ("", chain[0]):
            wrong = f"the cluster remembers {own[0].seq} entries of this store, and it has none of them"
            found.append(ChainProof(*chain, entries=0, anchored=own[0].seq, wrong=wrong))
    return found


async def _proof(store: Store, chain: tuple[str, str], anchors: Sequence[Anchor]) -> ChainProof:
    events = await store.events(*chain)
    own = [anchor for anchor in anchors if anchor.store == store.id]
    wrong = ""
    try:
        for anchor in own or (None,):
            await asyncio.to_thread(check_chain, events, anchor, store.id)
    except AuditError as exc:
        wrong = str(exc)
    return ChainProof(*chain, entries=len(events), anchored=max((one.seq for one in own), default=None), wrong=wrong)
