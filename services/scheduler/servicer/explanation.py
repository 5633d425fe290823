"""Why checks ran or not: messages in, use cases, messages out."""

from typing import Any

from ackrep.scheduler.v1 import explanation_pb2 as pb
from ackrep.scheduler.v1 import explanation_pb2_grpc
from services.scheduler.checks.explaining import Explaining
from services.scheduler.domain.environments import EnvironmentImage
from services.scheduler.domain.explanation import Kind, Reason, Subject
from services.scheduler.domain.inputs import digest_of
from services.scheduler.domain.names import check_id, image_digits
from services.scheduler.messages import limits_message, timestamp


class ExplanationServicer(explanation_pb2_grpc.ExplanationServiceServicer):
    """`ackrep.scheduler.v1.ExplanationService`."""

    def __init__(self, *, explaining: Explaining) -> None:
        self._explaining = explaining

    async def ExplainCheck(self, request: pb.ExplainCheckRequest, context: Any) -> pb.Explanation:
        found = await self._explaining.check(check_id(request.name))
        check, previous = found.subject.check, found.previous
        return pb.Explanation(
            check=f"checks/{check.id}",
            reused=bool(check.reused_from),
            reused_from=f"checks/{check.reused_from}" if check.reused_from else "",
            previous=f"checks/{previous.id}" if previous is not None else "",
            reasons=[reason_message(reason) for reason in found.reasons],
            inputs=inputs_message(found.subject),
        )

    async def GetEnvironmentImage(
        self, request: pb.GetEnvironmentImageRequest, context: Any
    ) -> pb.EnvironmentImage:
        return image_message(await self._explaining.image(image_digits(request.name)))


def image_message(image: EnvironmentImage) -> pb.EnvironmentImage:
    """Describes an image."""
    return pb.EnvironmentImage(
        name=f"environmentImages/{image.digest.removeprefix('sha256:')}",
        digest=image.digest,
        environment=f"environments/{image.environment}",
        python=image.python,
        packages=image.packages,
        first_seen_time=timestamp(image.first_seen),
    )


def inputs_message(subject: Subject) -> pb.CheckInputs | None:
    """Describes what a check depends on; nothing where that was not kept."""
    check, basis = subject.check, subject.check.basis
    if basis is None:
        return None
    return pb.CheckInputs(
        digest=digest_of(check),
        closure_digest=basis.closure,
        folders=[
            pb.InputFolder(entity=f"entities/{folder.key}", path=folder.path, tree=folder.tree)
            for folder in subject.folders
        ],
        environment=f"environments/{check.environment}",
        environment_digest=basis.image,
        runtime_version=basis.runtime,
        limits=limits_message(check.limits),
    )


def reason_message(reason: Reason) -> pb.Reason:
    """Describes a reason."""
    return pb.Reason(
        kind=pb.Reason.Kind.ValueType(reason.kind.value),
        message=sentence(reason),
        entity=f"entities/{reason.key}" if reason.key else "",
        path=reason.path,
        field=reason.field,
        before=reason.before,
        after=reason.after,
        packages=[
            pb.PackageChange(name=change.name, before=change.before, after=change.after)
            for change in reason.packages
        ],
    )


_SENTENCES = {
    Kind.SAME_INPUTS: "all that it depends on is as in an earlier check, whose result it has",
    Kind.FORCED: "it was forced to run",
    Kind.FIRST: "no earlier check of this entity is stored",
    Kind.IMAGE_UNKNOWN: "in which image it would run was not known: no runner had one ready, or "
    "runners had different ones",
    Kind.RUNTIME_UNKNOWN: "with which runtime it would run was not known: no runner was there, or "
    "runners had different ones",
    Kind.UNFINISHED: "the check before had no result yet",
    Kind.NOT_RECORDED: "what the check before depended on is not known",
    Kind.BROKEN: "its metadata is wrong, so that nothing could run",
    Kind.UNTRUSTED: "it is of a proposal: no result of the main line stands for it, nor its own "
    "for the main line",
}
_SHORT = 12


def sentence(reason: Reason) -> str:
    """A reason in one line for people."""
    before, after = _short(reason.before), _short(reason.after)
    match reason.kind:
        case Kind.FOLDER_CHANGED if not reason.key:
            return f"the closure has another content ({before} -> {after})"
        case Kind.FOLDER_CHANGED:
            what = f"the folder {reason.path} of {reason.key}"
            if not reason.before:
                return f"{what} came into the closure"
            if not reason.after:
                return f"{what} is no longer in the closure"
            return f"{what} has another content ({before} -> {after})"
        case Kind.ENVIRONMENT_CHANGED:
            return f"it runs in {reason.after}, not in {reason.before}"
        case Kind.IMAGE_CHANGED:
            return f"the environment is another image ({before} -> {after})"
        case Kind.RUNTIME_CHANGED:
            return f"the runtime has another version ({before} -> {after})"
        case Kind.LIMIT_CHANGED:
            return f"the limit {reason.field} is {reason.after}, not {reason.before}"
        case Kind.VERDICT_NOT_REUSABLE:
            verdict = reason.before.lower().replace("_", " ")
            return f"the check before ended as {verdict!r}, which says nothing of the next one"
        case Kind.REVISION_CHANGED:
            return (
                "the result before depends on the whole data repository (it lacked a file or "
                f"module of no declared dependency), and that changed ({before} -> {after})"
            )
    return _SENTENCES[reason.kind]


def _short(text: str) -> str:
    digits, space, rest = text.removeprefix("sha256:").partition(" ")
    return f"{digits[:_SHORT]}{space}{rest}"
