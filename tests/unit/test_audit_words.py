"""What an entry of the audit log says, in a table for people."""

import pytest

from gitops.cli.audit import _detail
from gitops.model.audit import AuditEvent


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({"changes": [{"change": "update", "object": "ConfigMap shop/a"}]}, "update ConfigMap shop/a"),
        (
            {"changed": ["updated ConfigMap shop/a", "created ConfigMap shop/b"], "failures": []},
            "changed: updated ConfigMap shop/a, created ConfigMap shop/b",
        ),
        (
            {
                "failures": [
                    {"object": "apps/Deployment shop/api", "reason": "not healthy in time"},
                    {"object": "", "reason": "x"},
                ]
            },
            "failures: apps/Deployment shop/api: not healthy in time, x",
        ),
        ({"confirmed": True, "ref": "main", "reason": "", "wave": 0}, "confirmed: yes; ref: main; wave: 0"),
        ({"fields": {"spec.replicas": "3"}}, "fields: spec.replicas 3"),
    ],
)
def test_a_detail_reads_as_a_person_would_write_it(detail, told):
    event = AuditEvent(1, "2026-01-01T00:00:00Z", "me", "gitops/shop", "local", "fact", "sha", detail, "", "")
    assert _detail(event) == told
