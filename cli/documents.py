"""What `--json` prints: one object per line, stable and flat where programs look first.

Each object is the protobuf JSON of a message (field names as over HTTP) with these fields in place
of, or beside, the message's own:

- entity: `key`, `type` (e.g. `system_model`), `environment` (its name);
- check: `key`, `id`, `state` and `verdict` in lower case (e.g. `script_error`; empty until
  finished), `seconds` (elapsed from request to verdict), `message`, `page` (URL, where there is
  one); `check --json` adds `exitCode`;
- search result: that of its entity, and `score`, `snippets` (`field`, `text`, and `matches` with
  `start` and `length` in Unicode characters);
- diagnostic: `key`, `severity` (`error`, `warning`, `info`);
- explanation: `key`, `reused` (always there); a reason: `kind` in lower case (`folder_changed`);
- revision and run: `id`.
"""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from ackrep.scheduler.v1 import check_pb2, explanation_pb2
from cli import verdicts


def line(document: dict[str, Any]) -> str:
    """One line of output."""
    return json.dumps(document, ensure_ascii=False, separators=(", ", ": "))


def last(name: str) -> str:
    """The id in a resource name."""
    return name.rsplit("/", 1)[-1]


def entity_type(value: catalog_pb2.EntityType.ValueType) -> str:
    """An entity's type in metadata's words."""
    return catalog_pb2.EntityType.Name(value).removeprefix("ENTITY_TYPE_").lower()


def severity(value: catalog_pb2.Diagnostic.Severity.ValueType) -> str:
    """`error`, `warning` or `info`."""
    return catalog_pb2.Diagnostic.Severity.Name(value).removeprefix("SEVERITY_").lower()


def state(check: check_pb2.Check) -> str:
    """`queued`, `preparing`, `running` or `finished`."""
    return check_pb2.Check.State.Name(check.state).removeprefix("STATE_").lower()


def seconds(check: check_pb2.Check) -> float:
    """Elapsed time from request to verdict; 0 until then."""
    if not check.HasField("finish_time"):
        return 0.0
    elapsed = check.finish_time.ToMicroseconds() - check.create_time.ToMicroseconds()
    return round(max(elapsed, 0) / 1e6, 3)


def of_entity(entity: catalog_pb2.Entity) -> dict[str, Any]:
    """Describes an entity."""
    return {
        **_fields(entity),
        "key": entity.key,
        "type": entity_type(entity.type),
        "environment": last(entity.environment),
    }


def of_result(result: search_pb2.SearchResult) -> dict[str, Any]:
    """Describes an entity that was found."""
    return {
        **of_entity(result.entity),
        "score": round(result.score, 6),
        "snippets": [
            {
                "field": snippet.field,
                "text": snippet.text,
                "matches": [
                    {"start": span.start, "length": span.length} for span in snippet.matches
                ],
            }
            for snippet in result.snippets
        ],
    }


def of_check(check: check_pb2.Check, *, page: str = "") -> dict[str, Any]:
    """Describes a check."""
    document = {
        **_fields(check),
        "key": last(check.entity),
        "id": last(check.name),
        "state": state(check),
        "verdict": verdicts.word(check.verdict).name,
        "seconds": seconds(check),
        "message": check.result.message,
    }
    if page:
        document["page"] = f"{page}{check.name}"
    return document


def of_diagnostic(diagnostic: catalog_pb2.Diagnostic) -> dict[str, Any]:
    """Describes a diagnostic."""
    return {
        **_fields(diagnostic),
        "key": last(diagnostic.entity),
        "severity": severity(diagnostic.severity),
    }


def of_explanation(found: explanation_pb2.Explanation, *, key: str) -> dict[str, Any]:
    """Describes why a check ran or not."""
    document = {**_fields(found), "key": key, "reused": found.reused}
    for reason, described in zip(found.reasons, document["reasons"], strict=True):
        kind = explanation_pb2.Reason.Kind.Name(reason.kind)
        described["kind"] = kind.removeprefix("KIND_").lower()
    return document


def of_named(message: catalog_pb2.Revision | check_pb2.Run) -> dict[str, Any]:
    """Describes a revision or a run."""
    return {**_fields(message), "id": last(message.name)}


def _fields(message: Message) -> dict[str, Any]:
    return MessageToDict(message, always_print_fields_with_no_presence=False)
