"""Whether an export, or a record, is what an installation stated; without asking anybody."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ackrep.scheduler.v1 import check_pb2
from cli import downloads, exporting, members
from cli.members import Member
from services import attestations
from services.errors import InvalidArgumentError

_LARGEST_RECORD: Final = 8 * 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """What came out."""

    problems: tuple[str, ...]
    """What is not as it was stated; nothing if all is."""
    statement: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What was stated; empty where nobody proves it."""
    signer: str = ""
    """`key_id` of the key."""
    files: int = 0
    """Files that were compared; 0 for a record alone."""

    @property
    def genuine(self) -> bool:
        """Whether everything is as it was stated."""
        return not self.problems

    @property
    def _check(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.statement.get("predicate", {}).get("check", {})
        return found

    @property
    def entity(self) -> str:
        """Key of the entity."""
        return str(self._check.get("entity", "")).removeprefix("entities/")

    @property
    def verdict(self) -> check_pb2.Verdict.ValueType:
        """What came out of the check."""
        name = str(self._check.get("verdict", ""))
        known = check_pb2.Verdict.keys()
        return check_pb2.Verdict.Value(name) if name in known else check_pb2.VERDICT_UNSPECIFIED

    @property
    def finished(self) -> str:
        """When the check ended."""
        return str(self._check.get("finishTime", ""))

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "genuine": self.genuine,
            "problems": list(self.problems),
            "files": self.files,
            "signer": self.signer,
            "statement": dict(self.statement),
        }


def verify(path: Path, *, key: bytes | None) -> Verification:
    """Verifies a record, or an export in a folder or archive.

    Args:
        path: What to verify.
        key: Public key (PEM) of whom is trusted; else the one in the export.

    Raises:
        InvalidArgumentError: It is neither, or a record alone and no key is given.
    """
    if path.is_file() and _is_record(path):
        if key is None:
            raise InvalidArgumentError(
                "a record alone is proved by the key of who signed it: --key FILE (that of a "
                "system is printed by `ackrep record --public-key`)"
            )
        return _of_record(path.read_text(encoding="utf-8"), key)
    found = members.read(path)
    record, included = found.get(exporting.RECORD), found.get(exporting.PUBLIC_KEY)
    if record is None or record.content is None or included is None:
        raise InvalidArgumentError(
            f"{path} is no export: there is no {exporting.RECORD} and {exporting.PUBLIC_KEY} in it"
        )
    stated = _of_record(record.content.decode("utf-8", "replace"), key or included.content or b"")
    problems = [*stated.problems, *_sums(found)]
    if stated.statement:
        problems.extend(_contents(found, stated.statement))
    return dataclasses.replace(stated, problems=tuple(problems), files=len(found))


def _is_record(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(64).lstrip()
    return head.startswith(b"{") and path.stat().st_size <= _LARGEST_RECORD


def _of_record(text: str, pem: bytes) -> Verification:
    key = attestations.public_key(pem)
    try:
        statement = attestations.opened(text, key)
    except attestations.NotGenuineError as error:
        return Verification(problems=(error.message,), signer=attestations.key_id(key))
    return Verification(problems=(), statement=statement, signer=attestations.key_id(key))


def _sums(found: Mapping[str, Member]) -> list[str]:
    """What differs from the list of digests."""
    sums = found.get(exporting.SUMS)
    if sums is None or sums.content is None:
        return [f"there is no {exporting.SUMS}"]
    listed = {}
    for line in sums.content.decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    problems = []
    for name, digest in listed.items():
        if name not in found:
            problems.append(f"{name} is missing")
        elif found[name].sha256 != digest:
            problems.append(f"{name} was changed")
    unlisted = {name for name, member in found.items() if member.mode != "120000"} - listed.keys()
    problems.extend(f"{name} was added" for name in sorted(unlisted - {exporting.SUMS}))
    return problems


def _contents(found: Mapping[str, Member], statement: Mapping[str, Any]) -> list[str]:
    """What differs from the record: folders by their git trees, produced files by their digests."""
    problems = []
    predicate = statement["predicate"]
    for folder in (predicate.get("inputs") or {}).get("folders", []):
        place = f"{exporting.DATA}/{folder['path']}"
        if members.tree(found, place) != folder["tree"]:
            problems.append(f"{place} is not what was checked (tree {folder['tree']})")
    for artefact in predicate["check"].get("result", {}).get("artefacts", []):
        message = check_pb2.Artefact(name=artefact["name"], path=artefact.get("path", ""))
        place = downloads.place(message, folder=Path(exporting.RESULTS)).as_posix()
        member = found.get(place)
        if member is None or member.sha256 != artefact["name"].removeprefix("artefacts/"):
            problems.append(f"{place} is not what the check produced")
    return problems
