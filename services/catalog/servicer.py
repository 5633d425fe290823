"""gRPC messages to the catalog's words and back; decides nothing."""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import grpc
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.catalog.v1 import catalog_pb2 as pb
from ackrep.catalog.v1 import catalog_pb2_grpc as rpc
from services.catalog.app import Catalog, EntityView
from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import (
    OBJECT_ID,
    EntityType,
    Placed,
    Relation,
    Revision,
    TreeEntry,
    printable,
)
from services.catalog.domain.filters import parse_filter
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["CatalogService"].full_name
MAX_TREES: Final = 1000
CURRENT: Final = "revisions/current"

_Context = grpc.aio.ServicerContext[Any, Any]


class CatalogServicer(rpc.CatalogServiceServicer):
    """Answers calls to the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def SyncRevision(self, request: pb.SyncRevisionRequest, context: _Context) -> pb.Revision:
        return revision_message(await self._catalog.sync())

    async def GetRevision(self, request: pb.GetRevisionRequest, context: _Context) -> pb.Revision:
        if not request.name:
            raise InvalidArgumentError("name is required: revisions/{tree id} or revisions/current")
        return revision_message(await self._catalog.revision(_tree(request.name)))

    async def ListRevisions(
        self, request: pb.ListRevisionsRequest, context: _Context
    ) -> pb.ListRevisionsResponse:
        size = _page_size(request.page_size, default=50, largest=500)
        token = _Token.read(request.page_token, kind="revisions")
        found = await self._catalog.revisions(limit=size + 1, offset=token.offset)
        return pb.ListRevisionsResponse(
            revisions=[revision_message(revision) for revision in found[:size]],
            next_page_token=token.next(offset=token.offset + size) if len(found) > size else "",
        )

    async def GetEntity(self, request: pb.GetEntityRequest, context: _Context) -> pb.Entity:
        key = _key(request.name, field="name")
        return _view_message(await self._catalog.entity(key, tree=_tree(request.revision)))

    async def ListEntities(
        self, request: pb.ListEntitiesRequest, context: _Context
    ) -> pb.ListEntitiesResponse:
        size = _page_size(request.page_size, default=100, largest=1000)
        token = _Token.read(request.page_token, kind=f"entities {request.filter}")
        filter_ = parse_filter(request.filter)
        tree = token.pinned(_tree(request.revision))
        revision = await self._catalog.revision(tree)
        page = await self._catalog.page(
            filter_, tree=revision.tree, after=token.after, limit=size + 1
        )
        shown = page.entities[:size]
        more = len(page.entities) > size
        return pb.ListEntitiesResponse(
            entities=[_entity_message(placed, revision) for placed in shown],
            next_page_token=token.next(after=shown[-1].entity.key, tree=revision.tree)
            if more
            else "",
            total_size=page.total,
        )

    async def ListDiagnostics(
        self, request: pb.ListDiagnosticsRequest, context: _Context
    ) -> pb.ListDiagnosticsResponse:
        size = _page_size(request.page_size, default=100, largest=1000)
        token = _Token.read(request.page_token, kind=f"diagnostics {request.entity}")
        key = _key(request.entity, field="entity") if request.entity else ""
        revision = await self._catalog.revision(token.pinned(_tree(request.revision)))
        page = await self._catalog.diagnostics(
            key, tree=revision.tree, limit=size, offset=token.offset
        )
        end = token.offset + len(page.diagnostics)
        return pb.ListDiagnosticsResponse(
            diagnostics=[_diagnostic_message(diagnostic) for diagnostic in page.diagnostics],
            next_page_token=token.next(offset=end, tree=revision.tree) if end < page.total else "",
            total_size=page.total,
        )

    async def GetClosure(self, request: pb.GetClosureRequest, context: _Context) -> pb.Closure:
        key = _key(request.entity, field="entity")
        closure, revision = await self._catalog.closure(key, tree=_tree(request.revision))
        return pb.Closure(
            entity=f"entities/{closure.key}",
            revision=f"revisions/{revision.tree}",
            commit=revision.commit,
            digest=closure.digest,
            environment=_environment(closure.environment),
            folders=[_folder_message(placed) for placed in closure.folders],
        )

    async def FetchTrees(
        self, request: pb.FetchTreesRequest, context: _Context
    ) -> AsyncIterator[pb.FetchTreesResponse]:
        if not request.trees or len(request.trees) > MAX_TREES:
            raise InvalidArgumentError(f"trees takes 1 to {MAX_TREES} git tree ids")
        for tree in request.trees:
            if not OBJECT_ID.fullmatch(tree):
                raise InvalidArgumentError(f"{tree[:100]!r} is no git tree id", tree=tree[:100])
        async for part in self._catalog.trees(request.trees):
            if part.chunk is None:
                yield pb.FetchTreesResponse(tree=part.tree, tree_end=True)
            else:
                yield pb.FetchTreesResponse(
                    tree=part.tree,
                    path=part.path,
                    mode=part.mode,
                    data=part.chunk.data,
                    more=part.chunk.more,
                )


# Requests -----------------------------------------------------------------------------------


def _tree(name: str) -> str:
    """Tree id of a revision's name; empty for the current one."""
    if name in ("", CURRENT):
        return ""
    tree = name.removeprefix("revisions/")
    if tree == name or not OBJECT_ID.fullmatch(tree):
        raise InvalidArgumentError(
            f"{name[:100]!r} is no revision: write revisions/{{tree id}} or {CURRENT}"
        )
    return tree


def _key(name: str, *, field: str) -> str:
    key = name.removeprefix("entities/")
    if key == name or not key or not re.fullmatch(r"[^/\s]+", key):
        raise InvalidArgumentError(
            f"{field} is {name[:100]!r}, which is no entity: write entities/{{KEY}}", field=field
        )
    return key


def _page_size(asked: int, *, default: int, largest: int) -> int:
    if asked < 0:
        raise InvalidArgumentError(f"page_size is {asked}; it cannot be negative")
    return min(asked or default, largest)


class _Token:
    """Where the next page begins: opaque to callers, and good for the same request only."""

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        self._kind = kind
        self.after = str(values.get("after", ""))
        self.tree = str(values.get("tree", ""))
        self.offset = max(int(values.get("offset", 0)), 0)

    @classmethod
    def read(cls, text: str, *, kind: str) -> "_Token":
        """Reads a token of a request.

        Raises:
            InvalidArgumentError: It was not made by us, or for another request.
        """
        if not text:
            return cls(kind, {})
        try:
            values = json.loads(base64.urlsafe_b64decode(text.encode()))
            if values.pop("kind") != kind:
                raise InvalidArgumentError("page_token belongs to another request")
            return cls(kind, values)
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidArgumentError("page_token is not one that was given out") from error

    def pinned(self, tree: str) -> str:
        """The revision to read: later pages stay with the one of the first page."""
        if self.tree and tree not in ("", self.tree):
            raise InvalidArgumentError("page_token belongs to another revision")
        return self.tree or tree

    def next(self, **values: str | int) -> str:
        """Token of the page after."""
        text = json.dumps({"kind": self._kind, **values}, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()


# Messages -----------------------------------------------------------------------------------


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
    )


def _entity_message(placed: Placed, revision: Revision) -> pb.Entity:
    entity = placed.entity
    return pb.Entity(
        name=f"entities/{entity.key}",
        key=entity.key,
        type=_type(entity.type),
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
        environment=_environment(placed.environment),
    )


def _view_message(view: EntityView) -> pb.Entity:
    message = _entity_message(view.placed, view.revision)
    message.references.extend(_relations(view.references))
    message.referrers.extend(_relations(view.referrers))
    message.metadata.CopyFrom(_struct(view.placed))
    message.files.extend(_file(entry) for entry in view.files)
    return message


def _relations(relations: Sequence[Relation]) -> list[pb.Relation]:
    return [
        pb.Relation(
            field=relation.field,
            entity=f"entities/{relation.key}",
            title=relation.title,
            type=_type(relation.type),
        )
        for relation in relations
    ]


def _file(entry: TreeEntry) -> pb.File:
    return pb.File(path=printable(entry.path), blob=entry.id, size=max(entry.size, 0))


def _folder_message(placed: Placed) -> pb.ClosureFolder:
    return pb.ClosureFolder(
        entity=f"entities/{placed.entity.key}",
        type=_type(placed.entity.type),
        path=placed.entity.path,
        tree=placed.entity.tree,
        metadata=_struct(placed),
    )


def _struct(placed: Placed) -> Struct:
    struct = Struct()
    struct.update(placed.entity.metadata)
    return struct


def _type(type_: EntityType | None) -> pb.EntityType.ValueType:
    if type_ is None:
        return pb.ENTITY_TYPE_UNSPECIFIED
    return pb.EntityType.Value(f"ENTITY_TYPE_{type_.upper()}")


def _environment(name: str) -> str:
    return f"environments/{name}" if name else ""


def _diagnostic_message(diagnostic: Diagnostic) -> pb.Diagnostic:
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
