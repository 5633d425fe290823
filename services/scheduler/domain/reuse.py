"""Which results stand for which checks.

A check sees nothing but its closure, the image, the runtime and its limits, and gets a seed that
follows from them: a result with the same inputs digest is what would come out again. The digest of
a result is taken over what the check *did* run in, whatever was expected when it was created. Of
proposals the digests are others: no result of a stranger's check is handed out as one of main.
"""

from services.scheduler.domain.check import Check, Verdict
from services.scheduler.domain.inputs import digest_of, inputs_digest

REUSABLE = frozenset({Verdict.SUCCESS, Verdict.INACCURATE, Verdict.SCRIPT_ERROR})
"""Verdicts that follow from the inputs alone.

A time-out, a cancellation and an infrastructure error do not. Neither does an exceeded limit: how
much memory, disk and processor time were there is a matter of the host too, so that another runner,
or a quieter moment, can bring another verdict; and few checks end so.
"""


def result_digest(check: Check) -> str:
    """The digest under which the result of a finished check can be found; empty where it cannot.

    A result that depends on the whole revision is found only by checks of that revision.
    """
    basis, result = check.basis, check.result
    if basis is None or result is None or check.reused_from:
        return ""
    if result.verdict not in REUSABLE or not result.image or not result.runtime:
        return ""
    closure = _whole(basis.closure, check.revision) if result.on_revision else basis.closure
    return inputs_digest(
        entity=check.entity,
        closure=closure,
        environment=check.environment,
        runtime=result.runtime,
        limits=check.limits,
        image=result.image,
        untrusted=check.untrusted,
    )


def wanted_digests(check: Check) -> tuple[str, ...]:
    """The digests of results that would do for a new check; none where it has to run."""
    basis = check.basis
    if basis is None or basis.forced or not basis.image or not basis.runtime:
        return ()
    whole = inputs_digest(
        entity=check.entity,
        closure=_whole(basis.closure, check.revision),
        environment=check.environment,
        runtime=basis.runtime,
        limits=check.limits,
        image=basis.image,
        untrusted=check.untrusted,
    )
    return digest_of(check), whole


def _whole(closure: str, revision: str) -> str:
    return f"{closure} in {revision}"
