"""What `--json` prints."""

import json

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import documents


def test_check() -> None:
    """A check has flat fields in lower case beside those of the contract."""
    check = check_pb2.Check(
        name="checks/0190",
        entity="entities/UXMFA",
        state=check_pb2.Check.STATE_FINISHED,
        verdict=check_pb2.VERDICT_SCRIPT_ERROR,
    )
    check.create_time.FromMilliseconds(1_000)
    check.finish_time.FromMilliseconds(3_500)
    check.result.message = "NameError: x"

    document = documents.of_check(check, page="http://127.0.0.1:8642/")

    assert document == {
        "name": "checks/0190",
        "entity": "entities/UXMFA",
        "createTime": "1970-01-01T00:00:01Z",
        "finishTime": "1970-01-01T00:00:03.500Z",
        "result": {"message": "NameError: x"},
        "key": "UXMFA",
        "id": "0190",
        "state": "finished",
        "verdict": "script_error",
        "seconds": 2.5,
        "message": "NameError: x",
        "page": "http://127.0.0.1:8642/checks/0190",
    }


def test_unfinished_check() -> None:
    """Until a check has finished, its verdict is empty and its time 0."""
    document = documents.of_check(check_pb2.Check(state=check_pb2.Check.STATE_RUNNING))

    assert (document["state"], document["verdict"], document["seconds"]) == ("running", "", 0.0)


def test_entity() -> None:
    """An entity has its type in the metadata's words and its environment's name."""
    entity = catalog_pb2.Entity(
        key="UXMFA",
        type=catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL,
        environment="environments/default_environment",
    )

    document = documents.of_entity(entity)

    assert document == {
        "key": "UXMFA",
        "type": "system_model",
        "environment": "default_environment",
    }


def test_diagnostic() -> None:
    """A diagnostic has its severity in one word."""
    diagnostic = catalog_pb2.Diagnostic(
        code="no-key",
        severity=catalog_pb2.Diagnostic.SEVERITY_ERROR,
        path="system_models/x/metadata.yml",
        line=3,
    )

    document = documents.of_diagnostic(diagnostic)

    assert document == {
        "code": "no-key",
        "severity": "error",
        "path": "system_models/x/metadata.yml",
        "line": 3,
        "key": "",
    }


def test_one_line() -> None:
    """A document is one line of JSON, also with line breaks and umlauts in it."""
    line = documents.line({"message": "a\nb ä"})

    assert "\n" not in line
    assert json.loads(line) == {"message": "a\nb ä"}
