"""Trees from far clients: what is taken in, what is refused, and what is left of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc, content_pb2, content_pb2_grpc
from services import rpc
from services.catalog.__main__ import running
from services.catalog.domain.content.manifests import ManifestFile, object_id, tree_objects
from services.catalog.settings import Settings
from services.errors import (
    Error,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    ResourceExhaustedError,
)
from tests.catalog_system import DATABASES, TOKEN, data_repository_at
from tests.git_repositories import user_git
from tests.unit.catalog.repositories import entity_files, environment

Part = content_pb2.UploadRevisionRequest
LARGE = bytes(range(256)) * 20_000
FILES: Mapping[str, bytes] = {
    path: text.encode()
    for path, text in (environment() | entity_files("NEWER", "system_model")).items()
} | {"system_models/newer/large.bin": LARGE}


@dataclass(frozen=True)
class Far:
    """A catalog, as a far client sees it."""

    repository: Path
    state: Path
    address: str
    catalog: catalog_pb2_grpc.CatalogServiceStub
    content: content_pb2_grpc.ContentServiceStub

    async def upload(self, *parts: Part) -> catalog_pb2.Revision:
        """Uploads these parts."""
        with rpc.remote_errors():
            return await self.content.UploadRevision(iter(parts))

    async def missing(self, *blobs: str) -> list[str]:
        """Which of these the catalog lacks."""
        with rpc.remote_errors():
            answer = await self.content.FindMissingBlobs(
                content_pb2.FindMissingBlobsRequest(blobs=blobs)
            )
        return list(answer.blobs)

    def litter(self) -> list[Path]:
        """Files that an upload should not leave behind."""
        return [
            path
            for path in (self.state / "objects.git").rglob("*")
            if path.name.startswith(("tmp", "."))
        ]


@asynccontextmanager
async def far_catalog(repository: Path, state: Path, *, database: str = "") -> AsyncIterator[Far]:
    """Runs a catalog with small limits."""
    settings = Settings(
        token=TOKEN,
        source=str(repository),
        state=state,
        address="127.0.0.1:0",
        database=database,
        upload_files=100,
        upload_blob_bytes=8 * 1024**2,
        upload_bytes=16 * 1024**2,
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        yield Far(
            repository,
            state,
            f"127.0.0.1:{port}",
            catalog_pb2_grpc.CatalogServiceStub(channel),
            content_pb2_grpc.ContentServiceStub(channel),
        )


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    """A catalog over a repository that the uploads have little in common with."""
    async with far_catalog(data_repository_at(tmp_path / "data"), tmp_path / "state") as far:
        yield far


def blob(data: bytes) -> str:
    """Git's id of content."""
    return object_id("blob", data)


def manifest(files: Mapping[str, bytes], **more: str | bool) -> Part:
    """The manifest of files."""
    listed = [
        Part.ManifestFile(path=path.encode(), mode=0o100644, blob=blob(data))
        for path, data in files.items()
    ]
    return Part(manifest=Part.Manifest(files=listed, **more))  # type: ignore[arg-type]


def blobs(files: Mapping[str, bytes], *, piece: int = 1024 * 1024) -> list[Part]:
    """The content of files, each blob once."""
    found = []
    for data in dict.fromkeys(files.values()):
        pieces = [data[start : start + piece] for start in range(0, len(data), piece)] or [b""]
        found += [
            Part(blob=Part.BlobPart(blob=blob(data), data=part, more=index + 1 < len(pieces)))
            for index, part in enumerate(pieces)
        ]
    return found


def tree_of(files: Mapping[str, bytes]) -> str:
    """Git's id of the tree of files."""
    listed = [ManifestFile(path.encode(), 0o100644, blob(data)) for path, data in files.items()]
    return list(tree_objects(listed))[-1].id


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """URL of each kind of database."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return ""


async def test_upload(tmp_path: Path, database: str) -> None:
    """An upload is a revision to read and check at, beside the current one, which stays."""
    repository = data_repository_at(tmp_path / "data")
    async with far_catalog(repository, tmp_path / "state", database=database) as far:
        before = await far.catalog.GetRevision(
            catalog_pb2.GetRevisionRequest(name="revisions/current")
        )
        revision = await far.upload(
            manifest(FILES, base_commit="c" * 40, title="mine", source="ada@far:\x1b[1mmine"),
            *blobs(FILES),
        )
        after = await far.catalog.GetRevision(
            catalog_pb2.GetRevisionRequest(name="revisions/current")
        )
        entity = await far.catalog.GetEntity(
            catalog_pb2.GetEntityRequest(name="entities/NEWER", revision=revision.name)
        )
        closure = await far.catalog.GetClosure(
            catalog_pb2.GetClosureRequest(entity="entities/NEWER", revision=revision.name)
        )
        parts = [
            part
            async for part in far.catalog.FetchTrees(
                catalog_pb2.FetchTreesRequest(trees=[closure.folders[0].tree])
            )
        ]

    assert f"revisions/{tree_of(FILES)}" == revision.name
    assert (True, "", "c" * 40) == (revision.dirty, revision.commit, revision.base_commit)
    assert ("mine", "ada@far: [1mmine") == (revision.title, revision.source)
    assert 2 == revision.entity_count
    assert before == after
    assert "Name of NEWER" == entity.title
    assert LARGE == b"".join(part.data for part in parts if part.path == "large.bin")


async def test_only_lacking_blobs(far: Far) -> None:
    """The catalog says what it lacks; the second upload of the same sends nothing."""
    ids = [blob(data) for data in FILES.values()]
    present = await far.catalog.GetEntity(catalog_pb2.GetEntityRequest(name="entities/MMMMM"))
    known = present.files[0].blob

    lacking = await far.missing(known, *ids)
    assert known not in lacking
    assert blob(LARGE) in lacking
    first = await far.upload(manifest(FILES), *blobs(FILES))
    assert [] == await far.missing(known, *ids)
    assert first == await far.upload(manifest(FILES))
    assert [] == far.litter()


async def test_trees_are_no_blobs(far: Far) -> None:
    """An id that the catalog knows as something else is lacking as a blob."""
    tree = user_git(far.repository, "rev-parse", "HEAD^{tree}")

    assert [tree] == await far.missing(tree)


async def test_known_tree(far: Far) -> None:
    """The tree of an indexed revision is that revision, whoever uploads it."""
    current = await far.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
    lines = user_git(far.repository, "ls-tree", "-r", "HEAD").splitlines()
    files = [
        Part.ManifestFile(
            path=line.partition("\t")[2].encode(), mode=int(line[:6], 8), blob=line.split()[2]
        )
        for line in lines
    ]

    assert current == await far.upload(Part(manifest=Part.Manifest(files=files, title="other")))


async def test_clean(tmp_path: Path) -> None:
    """A clean upload is its commit's; one that is not the commit's, as far as known, is refused."""
    repository = data_repository_at(tmp_path / "data")
    commit = user_git(repository, "rev-parse", "HEAD")
    async with far_catalog(repository, tmp_path / "state") as far:
        await far.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
        unknown = await far.upload(manifest(FILES, base_commit="d" * 40, clean=True), *blobs(FILES))
        other = {**FILES, "more": b""}
        with pytest.raises(InvalidArgumentError, match="is not"):
            await far.upload(manifest(other, base_commit=commit, clean=True), *blobs(other))

    assert (False, "d" * 40) == (unknown.dirty, unknown.commit)


async def test_long_manifests(far: Far) -> None:
    """A manifest may go on in further messages."""
    first, *others = [manifest({path: data}) for path, data in FILES.items()]
    first.manifest.title = "first"
    for other in others:
        other.manifest.title = "other"
    revision = await far.upload(first, *others, *blobs(FILES))

    assert (f"revisions/{tree_of(FILES)}", "first") == (revision.name, revision.title)


async def test_names_of_bytes(far: Far) -> None:
    """Any name that a git tree can hold may come, also one that is no UTF-8."""
    files = [Part.ManifestFile(path=b"models/\xff\n", mode=0o120000, blob=blob(b"x"))]
    revision = await far.upload(Part(manifest=Part.Manifest(files=files)), *blobs({"": b"x"}))

    assert 0 == revision.entity_count


WRONG: Mapping[str, tuple[Sequence[Part], type[Error]]] = {
    "nothing": ([], InvalidArgumentError),
    "empty part": ([Part()], InvalidArgumentError),
    "blob first": (blobs({"a": b"a"}), InvalidArgumentError),
    "manifest after blob": (
        [manifest({"a": b"a"}), *blobs({"a": b"a"}), manifest({"b": b"b"})],
        InvalidArgumentError,
    ),
    "git folder": ([manifest({".git/config": b"a"})], InvalidArgumentError),
    "above": ([manifest({"../a": b"a"})], InvalidArgumentError),
    "twice": ([manifest({"a": b"a"}), manifest({"a": b"a"})], InvalidArgumentError),
    "file and folder": ([manifest({"a": b"a", "a/b": b"b"})], InvalidArgumentError),
    "unknown blob": ([manifest({"a": b"a"}), *blobs({"b": b"b"})], InvalidArgumentError),
    "other content": (
        [manifest({"a": b"a"}), Part(blob=Part.BlobPart(blob=blob(b"a"), data=b"b"))],
        InvalidArgumentError,
    ),
    "part of a blob": (
        [manifest({"a": b"ab"}), Part(blob=Part.BlobPart(blob=blob(b"ab"), data=b"a", more=True))],
        InvalidArgumentError,
    ),
    "blob within a blob": (
        [
            manifest({"a": b"ab", "b": b"b"}),
            Part(blob=Part.BlobPart(blob=blob(b"ab"), data=b"a", more=True)),
            *blobs({"b": b"b"}),
        ],
        InvalidArgumentError,
    ),
    "lacking": ([manifest({"a": b"a never sent"})], PreconditionError),
    "large blob": (
        [manifest({"a": bytes(9 * 1024**2)}), *blobs({"a": bytes(9 * 1024**2)})],
        ResourceExhaustedError,
    ),
    "large upload": (
        [
            manifest({name: name.encode() + bytes(6 * 1024**2) for name in "abc"}),
            *blobs({name: name.encode() + bytes(6 * 1024**2) for name in "abc"}),
        ],
        ResourceExhaustedError,
    ),
    "many files": (
        [manifest({f"f{number}": b"" for number in range(101)})],
        ResourceExhaustedError,
    ),
    "bad commit": ([manifest({"a": b""}, base_commit="HEAD")], InvalidArgumentError),
    "clean of nothing": ([manifest({"a": b""}, clean=True)], InvalidArgumentError),
    "long title": ([manifest({"a": b""}, title="x" * 1000)], InvalidArgumentError),
}


async def failure_of(far: Far, parts: Sequence[Part]) -> type[Error] | None:
    """How an upload fails."""
    try:
        await far.upload(*parts)
    except Error as error:
        return type(error)
    return None


async def test_refusals(far: Far) -> None:
    """Each wrong upload has its status, makes no revision, and leaves no file behind."""
    await far.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
    count = len((await far.catalog.ListRevisions(catalog_pb2.ListRevisionsRequest())).revisions)
    for name, (parts, expected) in WRONG.items():
        assert (name, expected) == (name, await failure_of(far, parts))

    revisions = (await far.catalog.ListRevisions(catalog_pb2.ListRevisionsRequest())).revisions
    assert count == len(revisions)
    assert [] == far.litter()


async def test_wrong_content_is_not_kept(far: Far) -> None:
    """Content that is not what its id says is nowhere in the store."""
    parts, _ = WRONG["other content"]
    with pytest.raises(InvalidArgumentError):
        await far.upload(*parts)

    assert [blob(b"a"), blob(b"b")] == await far.missing(blob(b"a"), blob(b"b"))


async def test_broken_off(far: Far) -> None:
    """An upload that its client gives up is no revision; what arrived whole is kept."""
    going = asyncio.Event()

    async def parts() -> AsyncIterator[Part]:
        yield manifest(FILES)
        yield blobs({"": LARGE})[0]
        going.set()
        await asyncio.Event().wait()

    call = far.content.UploadRevision(parts())
    await asyncio.wait_for(going.wait(), 10)
    small = {path: data for path, data in FILES.items() if data != LARGE}
    # Meanwhile others are served.
    with pytest.raises(PreconditionError):
        await far.upload(manifest(FILES), *blobs(small))
    call.cancel()

    with pytest.raises(NotFoundError), rpc.remote_errors():
        await far.catalog.GetRevision(
            catalog_pb2.GetRevisionRequest(name=f"revisions/{tree_of(FILES)}")
        )
    assert [blob(LARGE)] == await far.missing(*(blob(data) for data in FILES.values()))
    assert (
        f"revisions/{tree_of(FILES)}"
        == (await far.upload(manifest(FILES), *blobs({"": LARGE}))).name
    )
    assert [] == far.litter()


async def test_at_once(far: Far) -> None:
    """Uploads of the same and of other trees at once do not disturb each other."""
    others = [{**FILES, "number": str(number % 4).encode() * 1000} for number in range(12)]
    found = await asyncio.gather(
        *(far.upload(manifest(files), *blobs(files, piece=100_000)) for files in others)
    )

    assert [f"revisions/{tree_of(files)}" for files in others] == [one.name for one in found]
    assert [] == far.litter()


async def test_missing_refusals(far: Far) -> None:
    """What is asked for has to be ids, and not too many."""
    for ids in (["x"], ["0" * 40] * 10_001, ["0" * 40 + "\n"]):
        with pytest.raises(InvalidArgumentError):
            await far.missing(*ids)


async def test_leftovers(tmp_path: Path) -> None:
    """What a killed catalog left half-written is removed when it starts again."""
    repository = data_repository_at(tmp_path / "data")
    async with far_catalog(repository, tmp_path / "state"):
        pass
    left = tmp_path / "state/objects.git/objects/tmp_obj_upload_1234"
    left.write_bytes(b"half")
    async with far_catalog(repository, tmp_path / "state") as far:
        assert [] == far.litter()


def test_ids_are_those_of_git(tmp_path: Path) -> None:
    """The ids of this test are git's own."""
    (tmp_path / "x").write_bytes(LARGE)

    assert blob(LARGE) == user_git(tmp_path, "hash-object", "x")
