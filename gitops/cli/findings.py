"""Findings as each reader wants them: people, JUnit, SARIF 2.1.0 (code scanning), Markdown (merge requests)."""

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

import orjson

from gitops.cli.escape import printable
from gitops.model.finding import Finding

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def table(findings: Sequence[Finding]) -> str:
    return "".join(f"{finding.severity}: {printable(finding)}\n" for finding in findings)


def json(findings: Sequence[Finding]) -> str:
    rows = [
        {
            "rule": finding.rule,
            "severity": finding.severity,
            "object": str(finding.key),
            "file": finding.origin.path,
            "line": finding.origin.line,
            "field": finding.field,
            "message": finding.message,
            "fix": finding.fix,
        }
        for finding in findings
    ]
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n"


def junit(findings: Sequence[Finding]) -> str:
    """One test case for each finding; errors are failures. What XML 1.0 cannot hold is shown as �."""
    cases = []
    for finding in findings:
        name = quoteattr(f"{finding.rule}: {finding.key}")
        place = quoteattr(finding.origin.path)
        inside = f"<failure message={quoteattr(finding.message)}>{escape(str(finding))}</failure>"
        body = inside if finding.severity == "error" else f"<system-out>{escape(str(finding))}</system-out>"
        cases.append(f"  <testcase classname={place} name={name}>{body}</testcase>\n")
    errors = sum(finding.severity == "error" for finding in findings)
    head = f'<testsuite name="gitops policy" tests="{len(findings)}" failures="{errors}">\n'
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{"".join(cases)}</testsuite>\n'
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def sarif(findings: Sequence[Finding]) -> str:
    rules = sorted({finding.rule for finding in findings})
    results = [
        {
            "ruleId": finding.rule,
            "level": finding.severity,
            "message": {"text": f"{finding.key}: {finding.field}: {finding.message} ({finding.fix})"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding.origin.path},
                        "region": {"startLine": finding.origin.line or 1},
                    }
                }
            ],
        }
        for finding in findings
    ]
    driver = {"name": "gitops policy", "rules": [{"id": rule} for rule in rules]}
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2).decode() + "\n"


def markdown(findings: Sequence[Finding]) -> str:
    if not findings:
        return "No policy is broken.\n"
    lines = ["| | object | field | what | how to mend |", "|---|---|---|---|---|"]
    for finding in findings:
        cells = (
            finding.severity,
            f"{finding.key} ({finding.origin})",
            f"`{finding.field}`",
            finding.message,
            finding.fix,
        )
        lines.append("| " + " | ".join(printable(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
