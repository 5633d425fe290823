"""A running catalog with proposals, and forks of its data repository, for tests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ackrep.catalog.v1 import catalog_pb2_grpc, proposal_pb2, proposal_pb2_grpc
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from tests.catalog_system import TOKEN
from tests.git_repositories import user_git, write

MODEL = "system_models/mmmmm"


@dataclass(frozen=True)
class Stubs:
    """What answers."""

    catalog: catalog_pb2_grpc.CatalogServiceStub
    proposals: proposal_pb2_grpc.ProposalServiceStub

    async def create(self, **values: str) -> proposal_pb2.Proposal:
        """Proposes a branch."""
        asked = proposal_pb2.Proposal(**values)  # type: ignore[arg-type]  # names of fields
        request = proposal_pb2.CreateProposalRequest(proposal=asked)
        with rpc.remote_errors():
            return await self.proposals.CreateProposal(request)

    async def get(self, name: str) -> proposal_pb2.Proposal:
        """Gets a proposal."""
        with rpc.remote_errors():
            return await self.proposals.GetProposal(proposal_pb2.GetProposalRequest(name=name))

    async def refresh(self, name: str) -> proposal_pb2.Proposal:
        """Has a branch read again."""
        request = proposal_pb2.RefreshProposalRequest(name=name)
        with rpc.remote_errors():
            return await self.proposals.RefreshProposal(request)

    async def close(self, name: str) -> proposal_pb2.Proposal:
        """Closes a proposal."""
        with rpc.remote_errors():
            return await self.proposals.CloseProposal(proposal_pb2.CloseProposalRequest(name=name))

    async def diff(self, name: str) -> proposal_pb2.ProposalDiff:
        """Asks what a proposal changes."""
        request = proposal_pb2.GetProposalDiffRequest(name=name)
        with rpc.remote_errors():
            return await self.proposals.GetProposalDiff(request)


@asynccontextmanager
async def proposing(
    source: Path | str, state: Path, *, database: str = "", local: bool = True, **values: object
) -> AsyncIterator[Stubs]:
    """A running catalog; `values` are more of its settings."""
    settings = Settings(
        token=TOKEN,
        source=str(source),
        state=state,
        address="127.0.0.1:0",
        database=database,
        proposal_local=local,
        **values,  # type: ignore[arg-type]  # names of settings
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        yield Stubs(
            catalog_pb2_grpc.CatalogServiceStub(channel),
            proposal_pb2_grpc.ProposalServiceStub(channel),
        )


def fork_of(data: Path, folder: Path) -> Path:
    """Clones a data repository as a contributor does, with a branch `better`."""
    user_git(data.parent, "clone", "-q", str(data), str(folder))
    user_git(folder, "checkout", "-q", "-b", "better")
    return folder


def commit(folder: Path, files: Mapping[str, str | bytes], *, message: str = "a change") -> str:
    """Writes and commits files; gives the commit."""
    write(folder, files)
    user_git(folder, "add", "-A")
    user_git(folder, "commit", "-q", "-m", message)
    return user_git(folder, "rev-parse", "HEAD")
