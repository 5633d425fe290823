"""What is stated of a check: an in-toto statement."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ackrep.scheduler.v1 import check_pb2, explanation_pb2
from services import attestations


def statement(
    check: check_pb2.Check,
    inputs: explanation_pb2.CheckInputs | None,
    *,
    images: Sequence[str] = (),
) -> dict[str, Any]:
    """The statement of a finished check.

    Its subjects are the entity's folder, by its git tree, and every file that the check produced.

    Args:
        check: In full.
        inputs: What it depended on; none where that was not kept.
        images: Packages of the environment, where the check itself does not list them.
    """
    told = check_pb2.Check()
    told.CopyFrom(check)
    # They say how it was asked for, not what it is.
    told.ClearField("run")
    told.ClearField("cancel_requested")
    if images and not told.result.provenance.packages:
        told.result.provenance.packages.extend(images)
    return {
        "_type": attestations.STATEMENT_TYPE,
        "subject": [*_folders(check, inputs), *_files(check)],
        "predicateType": attestations.PREDICATE_TYPE,
        "predicate": {
            "check": _json(told),
            "inputs": _json(inputs) if inputs is not None else None,
        },
    }


def _folders(
    check: check_pb2.Check, inputs: explanation_pb2.CheckInputs | None
) -> list[dict[str, Any]]:
    own = [folder for folder in inputs.folders if folder.entity == check.entity] if inputs else []
    return [{"name": folder.path, "digest": {"gitTree": folder.tree}} for folder in own]


def _files(check: check_pb2.Check) -> list[dict[str, Any]]:
    """Files by their content; the log is one of them."""
    found = [
        {"name": one.path, "digest": {"sha256": one.name.rpartition("/")[2]}}
        for one in check.result.artefacts
    ]
    if check.result.log:
        digest = check.result.log.rpartition("/")[2]
        found.append({"name": f"{check.name}.log", "digest": {"sha256": digest}})
    return found


def _json(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found
