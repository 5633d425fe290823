"""Calls about proposals."""

from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from ackrep.catalog.v1 import proposal_pb2, proposal_pb2_grpc
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from cli.client import Client
from services.errors import NotFoundError

STANDING: Final = "runs/-"
"""In place of a run to compare with: how entities stand on the main line."""
_FETCH_SECONDS: Final = 300.0
_PAGE: Final = 100


class ProposalCalls:
    """Asks catalog and scheduler about proposals."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stub = proposal_pb2_grpc.ProposalServiceStub(client.channel("catalog"))
        self._scheduler = scheduler_pb2_grpc.SchedulerServiceStub(client.channel("scheduler"))

    async def create(self, wanted: proposal_pb2.Proposal) -> proposal_pb2.Proposal:
        """Proposes a branch; a folder of this machine is meant by its absolute path."""
        if wanted.url and Path(wanted.url).is_dir():
            wanted.url = str(Path(wanted.url).absolute())
        request = proposal_pb2.CreateProposalRequest(proposal=wanted)
        return await self._client.call(
            "catalog", self._stub.CreateProposal, request, timeout=_FETCH_SECONDS
        )

    async def get(self, key: str) -> proposal_pb2.Proposal:
        """One proposal, by its key or name."""
        request = proposal_pb2.GetProposalRequest(name=_name(key))
        return await self._client.call("catalog", self._stub.GetProposal, request)

    async def list_all(
        self, state: proposal_pb2.Proposal.State.ValueType
    ) -> list[proposal_pb2.Proposal]:
        """All proposals in a state, newest first."""
        found: list[proposal_pb2.Proposal] = []
        request = proposal_pb2.ListProposalsRequest(page_size=_PAGE, state=state)
        while True:
            page = await self._client.call("catalog", self._stub.ListProposals, request)
            found += page.proposals
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def refresh(self, key: str) -> proposal_pb2.Proposal:
        """Has its branch read again."""
        request = proposal_pb2.RefreshProposalRequest(name=_name(key))
        return await self._client.call(
            "catalog", self._stub.RefreshProposal, request, timeout=_FETCH_SECONDS
        )

    async def close(self, key: str) -> proposal_pb2.Proposal:
        """Closes it."""
        request = proposal_pb2.CloseProposalRequest(name=_name(key))
        return await self._client.call("catalog", self._stub.CloseProposal, request)

    async def diff(self, name: str) -> proposal_pb2.ProposalDiff:
        """What merging it would change."""
        request = proposal_pb2.GetProposalDiffRequest(name=name)
        return await self._client.call(
            "catalog", self._stub.GetProposalDiff, request, timeout=_FETCH_SECONDS
        )

    async def check(self, proposal: proposal_pb2.Proposal) -> check_pb2.Run:
        """Starts the checks of what it affects."""
        request = scheduler_pb2.CreateRunRequest(
            title=f"{proposal.name}: {proposal.title}",
            revision=proposal.revision,
            affected_since=proposal.base_revision,
            requester=proposal.name,
        )
        return await self._client.call(
            "scheduler", self._scheduler.CreateRun, request, timeout=_FETCH_SECONDS
        )

    async def run_of(self, proposal: proposal_pb2.Proposal) -> check_pb2.Run | None:
        """The newest run of its present state, if there is one."""
        request = scheduler_pb2.ListRunsRequest(page_size=_PAGE, revision=proposal.revision)
        page = await self._client.call("scheduler", self._scheduler.ListRuns, request)
        # Once it is merged, runs of the main line may be of the same revision.
        return next((run for run in page.runs if run.title.startswith(f"{proposal.name}:")), None)


def _name(key: str) -> str:
    name = key.strip().rpartition("/")[2].upper()
    if len(name) != 5:
        raise NotFoundError(f"{key[:50]} is no key of a proposal: ackrep proposals lists them")
    return f"proposals/{name}"


def document(proposal: proposal_pb2.Proposal) -> dict[str, Any]:
    """A proposal for programs: its protobuf JSON with `key`, and `state` in lower case."""
    return {
        **MessageToDict(proposal, always_print_fields_with_no_presence=True),
        "key": proposal.name.rpartition("/")[2],
        "state": state_name(proposal.state),
    }


def state_name(state: proposal_pb2.Proposal.State.ValueType) -> str:
    """`open`, `merged` or `closed`."""
    return proposal_pb2.Proposal.State.Name(state).removeprefix("STATE_").lower()
