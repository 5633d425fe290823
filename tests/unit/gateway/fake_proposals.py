"""Proposals that are made up: one open, one with conflicts, one merged."""

import time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.catalog.v1 import catalog_pb2, proposal_pb2, proposal_pb2_grpc
from services.errors import InvalidArgumentError, NotFoundError

BASE, OVERLAY = "revisions/1a2b3c4d" + "0" * 32, "revisions/1a2b3c4d" + "0" * 32
KEY = "MR001"
_S = proposal_pb2.Proposal.State


class FakeProposals(proposal_pb2_grpc.ProposalServiceServicer):
    """Answers for `ProposalService`."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.proposals: dict[str, proposal_pb2.Proposal] = {}
        self.diff = proposal_pb2.ProposalDiff(base_revision=BASE, revision=OVERLAY)
        self.furnish()

    def furnish(self, value: str = "") -> None:
        """Makes proposals whose every text is `value`, if one is given."""
        for key, state in ((KEY, _S.STATE_OPEN), ("MR002", _S.STATE_MERGED)):
            self.proposals[f"proposals/{key}"] = proposal_pb2.Proposal(
                name=f"proposals/{key}",
                url=value or "https://forge.example/you/data",
                branch=value or "better",
                title=value or "A better model",
                description=value or "Because it is better.\nMuch.",
                state=state,
                create_time=_now(),
                refresh_time=_now(),
                end_time=_now(),
                head_commit="1" * 40,
                merge_base="2" * 40,
                revision=OVERLAY,
                base_revision=BASE,
                conflicts=[value or "models/a.py"] if key == KEY else [],
                commits=[catalog_pb2.Commit(id="1" * 40, author=value, subject=value or "better")],
                commit_count=1,
                problem=value,
            )
        text = value.replace("\n", " ") or "line"
        self.diff.ClearField("entities")
        self.diff.ClearField("files")
        self.diff.ClearField("new_diagnostics")
        self.diff.entities.add(
            entity="entities/UXMFA",
            type=catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL,
            title=value or "Lorenz system",
            path=value or "models/lorenz",
            kind=proposal_pb2.DIFF_KIND_MODIFIED,
            fields=[proposal_pb2.FieldDiff(field=value or "name", before=text, after=text)],
            files=[
                proposal_pb2.FileDiff(
                    path=value or "models/lorenz/a.py",
                    kind=proposal_pb2.DIFF_KIND_MODIFIED,
                    text=f"@@ -1,2 +1,2 @@ {text}\n same\n-old {text}\n+new {text}\n",
                )
            ],
        )
        self.diff.files.add(
            path=value or "picture.png",
            kind=proposal_pb2.DIFF_KIND_ADDED,
            new_size=5,
            new_blob="3" * 40,
            binary=True,
        )
        self.diff.new_diagnostics.add(
            code="dangling-reference",
            severity=catalog_pb2.Diagnostic.SEVERITY_ERROR,
            path=value or "models/a/metadata.yml",
            message=value or "it leads nowhere",
            remedy=value or "mend it",
        )

    async def CreateProposal(self, request: Any, context: Any) -> proposal_pb2.Proposal:
        self.seen.append(request)
        if not request.proposal.url.startswith("https://"):
            raise InvalidArgumentError(f"{request.proposal.url} is no https address")
        made = proposal_pb2.Proposal()
        made.CopyFrom(self.proposals[f"proposals/{KEY}"])
        made.MergeFrom(request.proposal)
        made.name = "proposals/NEW01"
        self.proposals[made.name] = made
        return made

    async def GetProposal(self, request: Any, context: Any) -> proposal_pb2.Proposal:
        if request.name not in self.proposals:
            raise NotFoundError(f"there is no {request.name}")
        return self.proposals[request.name]

    async def ListProposals(self, request: Any, context: Any) -> proposal_pb2.ListProposalsResponse:
        found = [one for one in self.proposals.values() if request.state in (0, one.state)]
        return proposal_pb2.ListProposalsResponse(proposals=found)

    async def RefreshProposal(self, request: Any, context: Any) -> proposal_pb2.Proposal:
        self.seen.append(request)
        return await self.GetProposal(request, context)

    async def CloseProposal(self, request: Any, context: Any) -> proposal_pb2.Proposal:
        self.seen.append(request)
        found = await self.GetProposal(request, context)
        found.state = _S.STATE_CLOSED
        return found

    async def GetProposalDiff(self, request: Any, context: Any) -> proposal_pb2.ProposalDiff:
        await self.GetProposal(request, context)
        return self.diff


def _now() -> Timestamp:
    return Timestamp(seconds=int(time.time()) - 60)
