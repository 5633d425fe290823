"""Proposals over real gRPC, with real forks of a real repository."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from ackrep.catalog.v1 import catalog_pb2, proposal_pb2
from services import rpc
from services.errors import (
    AlreadyExistsError,
    Error,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    ResourceExhaustedError,
    SourceError,
)
from tests.catalog_proposals import MODEL, Stubs, commit, fork_of, proposing
from tests.catalog_system import DATABASES, data_repository_at
from tests.git_repositories import user_git, write
from tests.unit.catalog.repositories import entity_files

OPEN = proposal_pb2.Proposal.STATE_OPEN
MERGED = proposal_pb2.Proposal.STATE_MERGED
CLOSED = proposal_pb2.Proposal.STATE_CLOSED
ADDED, MODIFIED, REMOVED = 1, 2, 3


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A committed data repository."""
    return data_repository_at(tmp_path / "my_data")


@pytest.fixture
def fork(data: Path, tmp_path: Path) -> Path:
    """A fork of it whose branch `better` is one commit ahead."""
    folder = fork_of(data, tmp_path / "fork")
    text = (folder / MODEL / "metadata.yml").read_text()
    commit(
        folder,
        {
            f"{MODEL}/metadata.yml": text.replace("Name of", "Better name of"),
            f"{MODEL}/simulation.py": "one = 1\n",
        },
        message="better",
    )
    return folder


@pytest.fixture
async def stubs(data: Path, tmp_path: Path) -> AsyncIterator[Stubs]:
    """A catalog of `data`."""
    async with proposing(data, tmp_path / "state") as found:
        yield found


async def until(
    stubs: Stubs, name: str, condition: Callable[[proposal_pb2.Proposal], bool]
) -> proposal_pb2.Proposal:
    """The proposal as soon as a condition holds, which it does within 20 seconds."""
    async with asyncio.timeout(20):
        while True:
            found = await stubs.get(name)
            if condition(found):
                return found
            await asyncio.sleep(0.02)


async def test_a_fork_is_proposed(stubs: Stubs, data: Path, fork: Path) -> None:
    """A proposal is an overlay: pages and programs read it as a revision, and main stays."""
    made = await stubs.create(url=str(fork), branch="better", description="Because.")
    head = user_git(fork, "rev-parse", "HEAD")
    base = user_git(data, "rev-parse", "HEAD")
    assert (OPEN, "better", head, base) == (
        made.state,
        made.title,
        made.head_commit,
        made.merge_base,
    )
    assert [("better", head)] == [(one.subject, one.id) for one in made.commits]
    assert made == await stubs.get(made.name)
    entity = await stubs.catalog.GetEntity(
        catalog_pb2.GetEntityRequest(name="entities/MMMMM", revision=made.revision)
    )
    assert "Better name of MMMMM" == entity.title
    overlay = await stubs.catalog.GetRevision(catalog_pb2.GetRevisionRequest(name=made.revision))
    assert made.name == overlay.proposal
    closure = await stubs.catalog.GetClosure(
        catalog_pb2.GetClosureRequest(entity="entities/MMMMM", revision=made.revision)
    )
    assert made.name == closure.proposal
    main = await stubs.catalog.GetRevision(catalog_pb2.GetRevisionRequest(name="revisions/current"))
    assert (base, "") == (main.commit, main.proposal)
    assert main.name == made.base_revision
    assert [] == user_git(data, "for-each-ref", "refs/ackrep").split()
    affected = await stubs.catalog.ListAffectedEntities(
        catalog_pb2.ListAffectedEntitiesRequest(
            base_revision=made.base_revision, revision=made.revision
        )
    )
    assert ["entities/MMMMM", "entities/SSSSS"] == [one.entity for one in affected.entities]


async def test_what_a_proposal_changes(stubs: Stubs, data: Path, fork: Path) -> None:
    """Entities that came, changed and went, field by field and file by file; new diagnostics."""
    user_git(fork, "rm", "-q", "-r", "method_packages/metho")
    commit(
        fork,
        entity_files("NNNNN", "system_model")
        | {f"{MODEL}/picture.png": b"\x89PNG\0\1", "README.md": "# Hello\n"},
    )
    made = await stubs.create(url=str(fork), branch="better")
    diff = await stubs.diff(made.name)
    assert [("METHO", REMOVED), ("MMMMM", MODIFIED), ("NNNNN", ADDED)] == [
        (one.entity.removeprefix("entities/"), one.kind) for one in diff.entities
    ]
    changed = diff.entities[1]
    assert [("name", "Name of MMMMM", "Better name of MMMMM")] == [
        (one.field, one.before, one.after) for one in changed.fields
    ]
    files = {one.path.rpartition("/")[2]: one for one in changed.files}
    assert {"metadata.yml", "picture.png", "simulation.py"} == files.keys()
    assert "-name: Name of MMMMM\n+name: Better name of MMMMM\n" in files["metadata.yml"].text
    assert "+one = 1\n" in files["simulation.py"].text
    picture = files["picture.png"]
    assert (True, "", 6, ADDED) == (picture.binary, picture.text, picture.new_size, picture.kind)
    assert ["README.md"] == [one.path for one in diff.files]
    assert "@@ -0,0 +1,1 @@\n+# Hello\n" == diff.files[0].text
    assert ["dangling-reference"] == [one.code for one in diff.new_diagnostics]


@pytest.mark.parametrize("squash", [False, True])
async def test_a_merge_is_noticed(stubs: Stubs, data: Path, fork: Path, squash: bool) -> None:
    """Merged is what main has, by ancestry or by content; the overlay is then main's own."""
    made = await stubs.create(url=str(fork), branch="better")
    user_git(data, "fetch", "-q", str(fork), "better")
    if squash:
        commit(data, {"unrelated": "1"})
        user_git(data, "merge", "-q", "--squash", "FETCH_HEAD")
        user_git(data, "commit", "-q", "-m", "squashed")
    else:
        user_git(data, "merge", "-q", "FETCH_HEAD")
    current = await stubs.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
    assert "" == current.proposal
    found = await until(stubs, made.name, lambda one: one.state == MERGED)
    assert found.HasField("end_time")
    assert (made.revision, made.base_revision) == (found.revision, found.base_revision)
    assert found == await stubs.refresh(made.name)
    assert (await stubs.diff(made.name)).entities


async def test_main_moves_on(stubs: Stubs, data: Path, fork: Path) -> None:
    """The overlay follows main: it is what merging gives now, and is compared with main now."""
    made = await stubs.create(url=str(fork), branch="better")
    commit(data, {"problem_specifications/ppppp/problem.py": "two = 2\n"})
    current = await stubs.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
    found = await until(stubs, made.name, lambda one: one.base_revision == current.name)
    assert made.revision != found.revision
    assert made.refresh_time == found.refresh_time
    diff = await stubs.diff(made.name)
    assert ["entities/MMMMM"] == [one.entity for one in diff.entities]
    assert [] == list(found.conflicts)


async def test_conflicts_are_named(stubs: Stubs, data: Path, fork: Path) -> None:
    """What cannot be merged is shown as the branch has it, beside where it left main."""
    commit(data, {f"{MODEL}/simulation.py": "other = 3\n"})
    await stubs.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
    made = await stubs.create(url=str(fork), branch="better")
    assert [f"{MODEL}/simulation.py"] == list(made.conflicts)
    assert made.revision == f"revisions/{user_git(fork, 'rev-parse', 'HEAD^{tree}')}"
    assert made.base_revision == f"revisions/{user_git(data, 'rev-parse', 'HEAD~1^{tree}')}"
    assert ["entities/MMMMM"] == [one.entity for one in (await stubs.diff(made.name)).entities]


async def test_a_branch_goes_on_and_goes_away(stubs: Stubs, fork: Path) -> None:
    """Refreshing reads what is new; where the branch is gone the proposal stays, and says so."""
    made = await stubs.create(url=str(fork), branch="better")
    head = commit(fork, {f"{MODEL}/simulation.py": "one = 2\n"})
    found = await asyncio.gather(*(stubs.refresh(made.name) for _ in range(8)))
    assert {head} == {one.head_commit for one in found}
    assert 2 == found[0].commit_count
    user_git(fork, "checkout", "-q", "main")
    user_git(fork, "branch", "-q", "-D", "better")
    gone = await stubs.refresh(made.name)
    assert "couldn't find remote ref" in gone.problem
    assert (OPEN, head) == (gone.state, gone.head_commit)
    user_git(fork, "branch", "-q", "better", head)
    assert "" == (await stubs.refresh(made.name)).problem


@pytest.mark.parametrize("database", DATABASES)
async def test_proposals_outlast_the_index(
    request: pytest.FixtureRequest, data: Path, fork: Path, tmp_path: Path, database: str
) -> None:
    """An index that is made anew loses no proposal, and gets its overlays again."""
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    async with proposing(data, tmp_path / "state", database=url) as stubs:
        made = await stubs.create(url=str(fork), branch="better")
    await forget_index(url or f"sqlite+aiosqlite:///{tmp_path / 'state' / 'catalog.sqlite'}")
    async with proposing(data, tmp_path / "state", database=url) as stubs:
        assert made == await stubs.get(made.name)
        async with asyncio.timeout(20):
            while True:
                try:
                    with rpc.remote_errors():
                        overlay = await stubs.catalog.GetRevision(
                            catalog_pb2.GetRevisionRequest(name=made.revision)
                        )
                    break
                except NotFoundError:
                    await asyncio.sleep(0.02)
        assert made.name == overlay.proposal
        assert (await stubs.diff(made.name)).entities


async def forget_index(url: str) -> None:
    """Has the next catalog make its index anew."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE schema_version SET version = 1"))
    await engine.dispose()


async def test_lists(stubs: Stubs, fork: Path) -> None:
    """Newest first, in pages, by state; one open proposal of each branch; closed is for good."""
    names = []
    for number in range(3):
        user_git(fork, "checkout", "-q", "-b", f"b{number}")
        commit(fork, {f"{MODEL}/more": str(number)})
        names.append((await stubs.create(url=str(fork), branch=f"b{number}")).name)
    with pytest.raises(AlreadyExistsError, match=names[1]):
        await stubs.create(url=str(fork), branch="b1")
    closed = await stubs.close(names[1])
    assert (CLOSED, closed) == (closed.state, await stubs.refresh(names[1]))
    assert names[1] != (await stubs.create(url=str(fork), branch="b1")).name
    ask = proposal_pb2.ListProposalsRequest
    page = await stubs.proposals.ListProposals(ask(page_size=3, state=OPEN))
    assert ["b1", "b2", "b0"] == [one.branch for one in page.proposals]
    first = await stubs.proposals.ListProposals(ask(page_size=3))
    rest = await stubs.proposals.ListProposals(ask(page_size=3, page_token=first.next_page_token))
    assert [names[0]] == [one.name for one in rest.proposals]
    with pytest.raises(NotFoundError):
        await stubs.get("proposals/ZZZZZ")


async def test_a_branch_of_the_repository_itself(stubs: Stubs, data: Path) -> None:
    """Without an address it is a branch of the data repository."""
    user_git(data, "checkout", "-q", "-b", "idea")
    head = commit(data, {f"{MODEL}/simulation.py": "idea = 1\n"})
    user_git(data, "checkout", "-q", "main")
    made = await stubs.create(branch="idea", title="An idea")
    assert ("", head, "An idea") == (made.url, made.head_commit, made.title)


async def test_nothing_new_is_no_proposal(stubs: Stubs, data: Path, fork: Path) -> None:
    """What main has already, and what has nothing to do with it, is refused and not kept."""
    with pytest.raises(PreconditionError, match="nothing that the data repository lacks"):
        await stubs.create(url=str(fork), branch="main")
    user_git(fork, "checkout", "-q", "--orphan", "alone")
    commit(fork, {"x": "1"})
    with pytest.raises(PreconditionError, match="no commit in common"):
        await stubs.create(url=str(fork), branch="alone")
    assert 0 == len(
        (await stubs.proposals.ListProposals(proposal_pb2.ListProposalsRequest())).proposals
    )


HOSTILE = [
    *("ext::sh -c 'touch /tmp/x'", "ext::sh", "-oProxyCommand=touch", "--upload-pack=touch x"),
    *("ssh://-oProxyCommand=touch/x", "ssh://host/x", "git@host:x", "git://host/x"),
    *("http://169.254.169.254/latest", "https://169.254.169.254/x", "https://127.0.0.1/x"),
    *(
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0x7f.1/x",
        "https://2130706433/x",
    ),
    *("https://localhost/x", "https://me:secret@example.org/x", "https://host/a b", "file:///etc"),
    *("ftp://host/x", "https://", "/etc", "../x", "C:\\x", "https://host/\x1b[31m", "fd::17"),
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_hostile_addresses(data: Path, tmp_path: Path, url: str) -> None:
    """Nothing but https to public hosts is spoken to, and no address becomes an option."""
    async with proposing(data, tmp_path / "state", local=False) as stubs:
        with pytest.raises(InvalidArgumentError):
            await stubs.create(url=url, branch="main")


@pytest.mark.parametrize(
    "branch",
    ["--upload-pack=touch x", "-x", "a..b", "main:refs/x", "+main", "a b", "$(touch x)", "\x1b[3m"],
)
async def test_hostile_branches(stubs: Stubs, fork: Path, branch: str) -> None:
    """A branch is a name, and nothing that git could take for more."""
    with pytest.raises(InvalidArgumentError):
        await stubs.create(url=str(fork), branch=branch)


async def test_forks_are_bounded(data: Path, fork: Path, tmp_path: Path) -> None:
    """A fork that brings too much, in bytes or in files, is refused, as are too many proposals."""
    user_git(fork, "checkout", "-q", "-b", "huge")
    commit(fork, {"huge": os.urandom(3_000_000)})
    user_git(fork, "checkout", "-q", "-b", "many", "better")
    commit(fork, {f"many/{number:04}" + "x" * 200: "" for number in range(30)})
    async with proposing(
        data, tmp_path / "state", proposal_bytes=1_000_000, proposal_files=20, proposals=1
    ) as stubs:
        with pytest.raises(SourceError, match="larger than 1000000 bytes"):
            await stubs.create(url=str(fork), branch="huge")
        with pytest.raises(ResourceExhaustedError, match="more than 20 files"):
            await stubs.create(url=str(fork), branch="many")
        await stubs.create(url=str(fork), branch="better")
        with pytest.raises(ResourceExhaustedError, match="1 proposals are open"):
            await stubs.create(branch="x")


async def test_submodules_and_links(stubs: Stubs, fork: Path, tmp_path: Path) -> None:
    """A submodule is not fetched, and a link that leads out is content, which nobody follows."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    inner = data_repository_at(tmp_path / "inner")
    user_git(
        fork, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "inner"
    )
    (fork / MODEL / "link.py").symlink_to(secret)
    commit(fork, {".gitattributes": "* filter=x diff=x merge=x\n"})
    write(fork, {".git/hooks/post-upload-pack": "#!/bin/sh\ntouch hooked\n"})
    made = await stubs.create(url=str(fork), branch="better")
    diff = await stubs.diff(made.name)
    [link] = [one for one in diff.entities[0].files if one.path.endswith("link.py")]
    assert link.link
    assert f"+{secret}\n" in link.text
    assert "s3cret" not in str(diff)
    [submodule] = [one for one in diff.files if one.path == "inner"]
    assert (True, "") == (submodule.binary, submodule.text)
    assert not list((tmp_path / "state").rglob("modules"))


async def test_a_plain_folder_takes_no_proposals(fork: Path, tmp_path: Path) -> None:
    """Without a history there is nothing to compare with; the error says so."""
    plain = tmp_path / "plain"
    write(plain, entity_files("MMMMM", "system_model"))
    async with proposing(plain, tmp_path / "state") as stubs:
        with pytest.raises(Error, match="no git repository"):
            await stubs.create(url=str(fork), branch="better")
