"""The errors a caller may see: one class for each condition that a caller can act on.

Pure Python: domains raise these, `services.rpc` turns them into gRPC statuses and back. `code` is
the canonical gRPC status name; `reason` is the stable word of AIP-193 that programs test for;
facts are kept as fields, never only in the text.
"""

from typing import ClassVar

DOMAIN = "ackrep.dev"
"""`domain` of every `google.rpc.ErrorInfo` that ACKREP sends."""


class Error(Exception):
    """A condition that a caller can act on.

    Args:
        message: What is wrong, where, and what to do; for people.
        facts: What programs need of it, as strings.
    """

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **facts: str) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class NotFoundError(Error):
    """There is no resource of that name."""

    code = "NOT_FOUND"
    reason = "RESOURCE_NOT_FOUND"


class AlreadyExistsError(Error):
    """There is one of that name, and it is not replaced."""

    code = "ALREADY_EXISTS"
    reason = "ALREADY_EXISTS"


class ArtefactExpiredError(NotFoundError):
    """The content of an artefact was removed because of its age or the store's size."""

    reason = "ARTEFACT_EXPIRED"


class InvalidArgumentError(Error):
    """A request is wrong in itself, whatever the state of the system."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_ARGUMENT"


class PreconditionError(Error):
    """The request is fine, but the state of the system does not allow it."""

    code = "FAILED_PRECONDITION"
    reason = "PRECONDITION_FAILED"


class NotCheckableError(PreconditionError):
    """The entity cannot be checked: wrong type, dangling reference, or no environment."""

    reason = "NOT_CHECKABLE"


class NotClaimableError(PreconditionError):
    """The check is finished, or another runner holds it. The job message is to be dropped."""

    reason = "NOT_CLAIMABLE"


class RunnerDrainedError(PreconditionError):
    """The runner is to take no new checks. The job message is to be handed back."""

    reason = "RUNNER_DRAINED"


class StaleAttemptError(PreconditionError):
    """The attempt is no longer the current one. Nothing was changed."""

    reason = "STALE_ATTEMPT"


class ArtefactMissingError(PreconditionError):
    """A result names an artefact that the store does not hold."""

    reason = "ARTEFACT_MISSING"


class EnvironmentUnavailableError(PreconditionError):
    """An environment cannot be had on this machine; the message says why."""

    reason = "ENVIRONMENT_UNAVAILABLE"


class SourceError(PreconditionError):
    """The configured source is not a readable folder or repository."""

    reason = "SOURCE_UNREADABLE"


class UnauthenticatedError(Error):
    """The call carries no token, or a wrong one."""

    code = "UNAUTHENTICATED"
    reason = "TOKEN_REQUIRED"


RETRY_SECONDS = "retry_seconds"
"""Fact of an error that says when to try again, in whole seconds."""


class ResourceExhaustedError(Error):
    """A bound is reached: queue, message size, or disk. Trying later may help."""

    code = "RESOURCE_EXHAUSTED"
    reason = "LIMIT_REACHED"


class UnavailableError(Error):
    """Another part (broker, engine, service, remote source) does not answer. Try again."""

    code = "UNAVAILABLE"
    reason = "PEER_UNAVAILABLE"


class DeadlineExceededError(Error):
    """It took longer than the caller was ready to wait."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


def all_errors() -> list[type[Error]]:
    """Lists the errors of this module, bases first.

    What a service derives from them for itself crosses the wire as its base.
    """
    found: list[type[Error]] = [Error]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub.__module__ == __name__)
    return found
