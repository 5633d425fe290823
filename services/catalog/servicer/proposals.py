"""Proposals: messages in, use cases, messages out."""

import datetime
import re
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.catalog.v1 import proposal_pb2 as pb
from ackrep.catalog.v1 import proposal_pb2_grpc as rpc
from services.catalog.domain.entities import NEVER, printable
from services.catalog.domain.proposal_diffs import EntityDiff, FileDiff, ProposalDiff
from services.catalog.domain.proposals import KEY_LENGTH, PREFIX, Draft, Proposal, State
from services.catalog.proposals.differences import Differences
from services.catalog.proposals.proposing import Proposing
from services.catalog.servicer.messages import commit_message, diagnostic_message, type_value
from services.catalog.servicer.requests import Context, PageToken, page_size_of
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["ProposalService"].full_name
_KEY: Final = re.compile(rf"[A-Z0-9]{{{KEY_LENGTH}}}")


class ProposalServicer(rpc.ProposalServiceServicer):
    """`ackrep.catalog.v1.ProposalService`."""

    def __init__(self, proposing: Proposing, differences: Differences) -> None:
        self._proposing = proposing
        self._differences = differences

    async def CreateProposal(
        self, request: pb.CreateProposalRequest, context: Context
    ) -> pb.Proposal:
        asked = request.proposal
        draft = Draft(
            url=asked.url.strip(),
            branch=asked.branch.strip(),
            title=asked.title.strip(),
            description=asked.description,
        )
        if not draft.url and not draft.branch:
            raise InvalidArgumentError(
                "url is required: the https address of a fork (or a branch of the data repository)",
                field="url",
            )
        return proposal_message(await self._proposing.create(draft))

    async def GetProposal(self, request: pb.GetProposalRequest, context: Context) -> pb.Proposal:
        return proposal_message(await self._proposing.get(_key_of(request.name)))

    async def ListProposals(
        self, request: pb.ListProposalsRequest, context: Context
    ) -> pb.ListProposalsResponse:
        size = page_size_of(request.page_size, default=50, largest=500)
        token = PageToken.read(request.page_token, kind=f"proposals {request.state}")
        found = await self._proposing.page(
            state=_state_of(request.state), limit=size + 1, offset=token.offset
        )
        return pb.ListProposalsResponse(
            proposals=[proposal_message(one, commits=False) for one in found[:size]],
            next_page_token=token.next(offset=token.offset + size) if len(found) > size else "",
        )

    async def RefreshProposal(
        self, request: pb.RefreshProposalRequest, context: Context
    ) -> pb.Proposal:
        return proposal_message(await self._proposing.refresh(_key_of(request.name)))

    async def CloseProposal(
        self, request: pb.CloseProposalRequest, context: Context
    ) -> pb.Proposal:
        return proposal_message(await self._proposing.close(_key_of(request.name)))

    async def GetProposalDiff(
        self, request: pb.GetProposalDiffRequest, context: Context
    ) -> pb.ProposalDiff:
        proposal = await self._proposing.get(_key_of(request.name))
        return diff_message(await self._differences.of(proposal))


def _key_of(name: str) -> str:
    key = name.removeprefix(PREFIX)
    if key == name or not _KEY.fullmatch(key):
        raise InvalidArgumentError(
            f"name is {name[:100]!r}, which is no proposal: write {PREFIX}{{KEY}}", field="name"
        )
    return key


def _state_of(value: pb.Proposal.State.ValueType) -> State | None:
    if not value:
        return None
    try:
        return State(value)
    except ValueError as error:
        raise InvalidArgumentError(f"there is no state {value}", field="state") from error


def _time(moment: datetime.datetime) -> Timestamp | None:
    if moment == NEVER:
        return None
    time = Timestamp()
    time.FromDatetime(moment)
    return time


def _revision(tree: str) -> str:
    return f"revisions/{tree}"


def proposal_message(proposal: Proposal, *, commits: bool = True) -> pb.Proposal:
    """The message of a proposal."""
    comparison = proposal.comparison
    return pb.Proposal(
        name=proposal.name,
        url=printable(proposal.url),
        branch=proposal.branch,
        title=proposal.title,
        description=proposal.description,
        state=pb.Proposal.State.ValueType(proposal.state.value),
        create_time=_time(proposal.create_time),
        refresh_time=_time(proposal.refresh_time),
        end_time=_time(proposal.end_time),
        head_commit=comparison.head,
        merge_base=comparison.merge_base,
        revision=_revision(comparison.tree),
        base_revision=_revision(comparison.base_tree),
        conflicts=map(printable, comparison.conflicts),
        commits=map(commit_message, comparison.commits) if commits else (),
        commit_count=comparison.commit_count,
        problem=printable(proposal.problem),
    )


def diff_message(diff: ProposalDiff) -> pb.ProposalDiff:
    """The message of what a proposal changes."""
    return pb.ProposalDiff(
        base_revision=_revision(diff.base_tree),
        revision=_revision(diff.tree),
        entities=map(_entity_diff, diff.entities),
        files=map(_file_diff, diff.files),
        new_diagnostics=map(diagnostic_message, diff.new_diagnostics),
        resolved_count=diff.resolved,
        remaining_count=diff.remaining,
        omitted_count=diff.omitted,
    )


def _entity_diff(diff: EntityDiff) -> pb.EntityDiff:
    return pb.EntityDiff(
        entity=f"entities/{diff.entity.key}",
        type=type_value(diff.entity.type),
        title=diff.entity.title,
        path=diff.entity.path,
        kind=pb.DiffKind.ValueType(diff.kind.value),
        fields=[
            pb.FieldDiff(field=one.field, before=one.before, after=one.after) for one in diff.fields
        ],
        files=map(_file_diff, diff.files),
    )


def _file_diff(diff: FileDiff) -> pb.FileDiff:
    return pb.FileDiff(
        path=diff.path,
        kind=pb.DiffKind.ValueType(diff.kind.value),
        old_size=diff.old_size,
        new_size=diff.new_size,
        old_blob=diff.old_blob,
        new_blob=diff.new_blob,
        binary=diff.binary,
        text=diff.text,
        truncated=diff.truncated,
        link=diff.link,
    )
