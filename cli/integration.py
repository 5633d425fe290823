"""Verdicts for continuous integration: JUnit XML, and GitHub's annotations."""

import re
import xml.etree.ElementTree as ET  # writes only
from collections.abc import Mapping, Sequence
from typing import Final

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import documents, failures, reports, verdicts

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
_GOOD: Final = {check_pb2.VERDICT_SUCCESS}
_OURS: Final = {check_pb2.VERDICT_INFRASTRUCTURE_ERROR}


def junit(checks: Sequence[check_pb2.Check], entities: Mapping[str, catalog_pb2.Entity]) -> str:
    """A report in the form of JUnit: a suite for each type of entity, a case for each check.

    What is inaccurate or raised is a failure, what we failed at an error, what was cancelled is
    skipped.
    """
    suites: dict[str, list[check_pb2.Check]] = {}
    for check in checks:
        entity = entities.get(documents.last(check.entity))
        kind = documents.entity_type(entity.type) if entity else "unknown"
        suites.setdefault(kind, []).append(check)
    root = ET.Element("testsuites", name="ackrep")
    for kind, members in sorted(suites.items()):
        suite = ET.SubElement(root, "testsuite", {"name": kind, **_counts(members)})
        for check in members:
            suite.append(_case(check, entities.get(documents.last(check.entity)), kind=kind))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(checks: Sequence[check_pb2.Check]) -> dict[str, str]:
    verdict_list = [check.verdict for check in checks]
    skipped = verdict_list.count(check_pb2.VERDICT_CANCELLED)
    errors = sum(verdict in _OURS for verdict in verdict_list)
    good = sum(verdict in _GOOD for verdict in verdict_list)
    return {
        "tests": str(len(checks)),
        "failures": str(len(checks) - skipped - errors - good),
        "errors": str(errors),
        "skipped": str(skipped),
        "time": f"{sum(map(_seconds, checks)):.3f}",
    }


def _case(check: check_pb2.Check, entity: catalog_pb2.Entity | None, *, kind: str) -> ET.Element:
    key = documents.last(check.entity)
    title = entity.title if entity else ""
    name = _text(f"{key} {title}".strip())
    case = ET.Element(
        "testcase",
        classname=f"{kind}.{key}",
        name=name,
        time=f"{_seconds(check):.3f}",
    )
    if entity:
        case.set("file", _text(f"{entity.path}/metadata.yml"))
    if check.verdict in _GOOD:
        return case
    word = verdicts.word(check.verdict)
    if check.verdict == check_pb2.VERDICT_CANCELLED:
        ET.SubElement(case, "skipped", message="cancelled")
        return case
    tag = "error" if check.verdict in _OURS else "failure"
    failure = ET.SubElement(
        case, tag, type=word.name, message=_text(check.result.message or word.sentence)
    )
    failure.text = _text(check.result.traceback or check.result.message)
    return case


def _seconds(check: check_pb2.Check) -> float:
    """How long it ran, without waiting for its turn; a reused result took none."""
    if not check.HasField("start_time") or not check.HasField("finish_time"):
        return 0.0
    return max(check.finish_time.ToMicroseconds() - check.start_time.ToMicroseconds(), 0) / 1e6


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def github(check: check_pb2.Check, entity: catalog_pb2.Entity, *, places: reports.Places) -> str:
    """An annotation at the line of the entity that failed; of its metadata where none did.

    Empty for a success. Format: workflow commands of GitHub Actions.
    """
    if check.verdict in _GOOD:
        return ""
    word = verdicts.word(check.verdict)
    own = failures.frames(check.result.traceback, [entity.path])
    path, line = (own[-1].path, own[-1].line) if own else (f"{entity.path}/metadata.yml", 1)
    level = "warning" if check.verdict == check_pb2.VERDICT_CANCELLED else "error"
    title = f"{entity.key}: {word.label}"
    message = check.result.message or word.sentence
    return reports.command(level, message, file=places.name(path), line=str(line), title=title)
