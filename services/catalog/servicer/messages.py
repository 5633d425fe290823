"""The catalog's words as messages."""

from collections.abc import Collection, Mapping, Sequence

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.catalog.v1 import catalog_pb2 as pb
from services.catalog.app import EntityView
from services.catalog.domain.affected import Affected
from services.catalog.domain.commits import Commit
from services.catalog.domain.diagnostics import SEVERITIES, Diagnostic
from services.catalog.domain.entities import (
    EntityType,
    Placed,
    Relation,
    Revision,
    TreeEntry,
    printable,
)
from services.catalog.domain.proposals import proposal_of


def revision_message(revision: Revision) -> pb.Revision:
    """The message of a revision."""
    time = Timestamp()
    time.FromDatetime(revision.create_time)
    return pb.Revision(
        name=f"revisions/{revision.tree}",
        commit=revision.commit,
        base_commit=revision.base_commit,
        dirty=revision.dirty,
        source=printable(revision.source),
        ref=revision.ref,
        create_time=time,
        entity_count=revision.entity_count,
        error_count=revision.error_count,
        warning_count=revision.warning_count,
        title=printable(revision.title),
        proposal=proposal_of(revision.source),
    )


def commit_message(commit: Commit) -> pb.Commit:
    """The message of a commit."""
    time = Timestamp()
    time.FromDatetime(commit.time)
    return pb.Commit(
        id=commit.id,
        commit_time=time,
        author=printable(commit.author),
        subject=printable(commit.subject),
    )


def entity_message(placed: Placed, revision: Revision) -> pb.Entity:
    """An entity as lists show it."""
    entity = placed.entity
    return pb.Entity(
        name=f"entities/{entity.key}",
        key=entity.key,
        type=type_value(entity.type),
        title=entity.title,
        short_description=entity.short_description,
        path=entity.path,
        tree=entity.tree,
        revision=f"revisions/{revision.tree}",
        creator=entity.creator,
        creation_date=entity.creation_date,
        version=entity.version,
        tags=entity.tags,
        notes=entity.notes,
        estimated_runtime=entity.estimated_runtime,
        checkable=entity.checkable,
        environment=environment_name(placed.environment),
    )


def view_message(view: EntityView) -> pb.Entity:
    """An entity with relations, metadata and files."""
    message = entity_message(view.placed, view.revision)
    message.references.extend(relation_messages(view.references))
    message.referrers.extend(relation_messages(view.referrers))
    message.referrer_count = view.referrer_count
    message.metadata.CopyFrom(struct_message(view.placed))
    message.files.extend(file_message(entry) for entry in view.files)
    return message


def relation_messages(relations: Sequence[Relation]) -> list[pb.Relation]:
    """Edges to other entities."""
    return [
        pb.Relation(
            field=relation.field,
            entity=f"entities/{relation.key}",
            title=relation.title,
            type=type_value(relation.type),
        )
        for relation in relations
    ]


def file_message(entry: TreeEntry) -> pb.File:
    """A file of an entity."""
    return pb.File(path=printable(entry.path), blob=entry.id, size=max(entry.size, 0))


def folder_message(placed: Placed) -> pb.ClosureFolder:
    """A folder of a closure."""
    return pb.ClosureFolder(
        entity=f"entities/{placed.entity.key}",
        type=type_value(placed.entity.type),
        path=placed.entity.path,
        tree=placed.entity.tree,
        metadata=struct_message(placed),
    )


def struct_message(placed: Placed) -> Struct:
    """All metadata."""
    struct = Struct()
    struct.update(placed.entity.metadata)
    return struct


def type_value(type_: EntityType | None) -> pb.EntityType.ValueType:
    """The number of a type."""
    if type_ is None:
        return pb.ENTITY_TYPE_UNSPECIFIED
    return pb.EntityType.Value(f"ENTITY_TYPE_{type_.upper()}")


def environment_name(name: str) -> str:
    """Resource name of an environment; empty for none."""
    return f"environments/{name}" if name else ""


def affected_message(affected: Affected) -> pb.AffectedEntity:
    """An entity that a change affects."""
    return pb.AffectedEntity(
        entity=f"entities/{affected.key}",
        type=type_value(affected.type),
        title=affected.title,
        change=pb.AffectedEntity.Change.ValueType(int(affected.change)),
        causes=[f"entities/{key}" for key in affected.causes],
    )


def codes_of(severity: int, code: str) -> Collection[str] | None:
    """The codes that a request for diagnostics is about; None for all."""
    if not severity and not code:
        return None
    return {
        one
        for one, known in SEVERITIES.items()
        if severity in {0, int(known)} and code in {"", one}
    }


def count_messages(counts: Mapping[str, int]) -> list[pb.DiagnosticCount]:
    """How many diagnostics each code has, the most frequent first."""
    return [
        pb.DiagnosticCount(
            code=code,
            severity=pb.Diagnostic.Severity.ValueType(int(SEVERITIES[code])),
            count=count,
        )
        for code, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]


def diagnostic_message(diagnostic: Diagnostic) -> pb.Diagnostic:
    """A diagnostic."""
    return pb.Diagnostic(
        code=diagnostic.code,
        severity=pb.Diagnostic.Severity.ValueType(int(diagnostic.severity)),
        path=diagnostic.path,
        line=diagnostic.line,
        column=diagnostic.column,
        field=diagnostic.field,
        message=diagnostic.message,
        remedy=diagnostic.remedy,
        entity=f"entities/{diagnostic.key}" if diagnostic.key else "",
    )
