"""`/environments` and `/environments/{name}`: what checks run in, and what became of its images."""

import asyncio
import re
import secrets
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.runner.v1 import environment_pb2
from ackrep.scheduler.v1 import promotion_pb2
from gateway.context import context_of
from gateway.failures import HttpError
from gateway.forms import read_form
from gateway.pages import images, latest
from gateway.pages.images import Known
from gateway.pages.rendering import page, see_other
from gateway.pages.words import Word
from services.errors import InvalidArgumentError, NotFoundError, UnavailableError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_PATIENCE = 300.0
"""Seconds that examining an environment may take: its container may have to be started first."""
_S = environment_pb2.VerifyEnvironmentResponse.Severity
_FINDINGS = {
    _S.SEVERITY_OK: Word("success", "as it should be"),
    _S.SEVERITY_WARNING: Word("warning", "warning"),
    _S.SEVERITY_ERROR: Word("error", "error"),
}
_E = environment_pb2.Environment.State
_STATES = {
    _E.STATE_ABSENT: Word("unchecked", "not here yet", "It is built or pulled when it is needed."),
    _E.STATE_PREPARING: Word("preparing", "being prepared", "It is built, pulled or installed."),
    _E.STATE_READY: Word("success", "ready", "Checks can start in it."),
    _E.STATE_FAILED: Word("error", "cannot be had", "The runner says why."),
}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def _word(known: Known) -> Word:
    """How an environment is, for people."""
    if known.local is not None and known.local.state in _STATES:
        return _STATES[known.local.state]
    if known.runners:
        return _STATES[_E.STATE_READY]
    return Word("unchecked", "no runner has it", "No runner that is heard of said it is ready.")


async def environment_list(request: Request) -> Response:
    """The environments: which image is in use, what runs in it, trials and promotions."""
    found = await images.overview(context_of(request).upstream)
    known = list(found.environments.values())
    # Those in which something runs first.
    known.sort(key=lambda one: (not one.users, one.entity is None, one.name))
    return page(
        request,
        "environments.html",
        data={"environments": known, "unreachable": found.unreachable},
        environments=[(one, _word(one)) for one in known],
        unreachable=found.unreachable,
    )


async def environment(request: Request) -> Response:
    """One environment: its image and packages, the images before it, trials and promotions."""
    return await _environment(request)


async def _environment(
    request: Request, verified: environment_pb2.VerifyEnvironmentResponse | None = None
) -> Response:
    upstream = context_of(request).upstream
    name = request.path_params["name"]
    found = await images.overview(upstream)
    known = found.environments.get(f"environments/{name}")
    if known is None:
        raise NotFoundError(
            f"nothing runs in an environment {name[:100]}, and no runner has it; "
            f"there are {', '.join(one.rpartition('/')[2] for one in found.environments) or 'none'}"
        )
    asked = request.query_params.get("image", "")
    words = request.query_params.get("packages", "")[:100].strip()
    content = known.image
    if asked and asked != known.digest:
        content = await images.image(upstream, asked)
        if content is None:
            raise NotFoundError(f"no check ran in an image {asked[:100]}")
    # The newest trials with their comparisons, which the list leaves out.
    with remote_errors():
        trials = await asyncio.gather(
            *(
                upstream.promotions.GetTrial(
                    promotion_pb2.GetTrialRequest(name=one.name), timeout=_TIMEOUT
                )
                for one in known.trials[:10]
            )
        )
    packages = content.packages if content else ()
    return page(
        request,
        "environment.html",
        data={
            "environment": known,
            "image": content,
            "images": images.images_of(known),
            "trials": trials,
            "verification": verified,
        },
        known=known,
        word=_word(known),
        unreachable=found.unreachable,
        content=content,
        shown_digest=asked or known.digest,
        packages=_matching(packages, words),
        package_count=len(packages),
        words=words,
        images=images.images_of(known),
        trials=trials,
        older_trials=known.trials[10:],
        verified=verified,
        finding_words=_FINDINGS,
    )


def _matching(packages: Sequence[str], words: str) -> list[tuple[str, str]]:
    """Finds packages by all words in their name, and splits them from their version."""
    wanted = words.casefold().split()
    return [
        (name, version)
        for name, _, version in (one.partition("==") for one in packages)
        if all(word in name.casefold() for word in wanted)
    ]


async def verify(request: Request) -> Response:
    """Examines an environment and says what was found (a form's target)."""
    upstream = context_of(request).upstream
    if upstream.environments is None:
        raise UnavailableError("no runner is configured here that could examine it")
    with remote_errors():
        found = await upstream.environments.VerifyEnvironment(
            environment_pb2.VerifyEnvironmentRequest(name=_name(request)), timeout=_PATIENCE
        )
    return await _environment(request, found)


async def revert(request: Request) -> Response:
    """Takes the last promotion of an environment back (a form's target)."""
    form = await read_form(request)
    name = _name(request)
    with remote_errors():
        await context_of(request).upstream.promotions.RevertEnvironment(
            promotion_pb2.RevertEnvironmentRequest(
                environment=name, reason=form.get("reason", "").strip()
            ),
            timeout=_TIMEOUT,
        )
    return see_other(f"/{name}#promotions")


async def create_trial(request: Request) -> Response:
    """Tries an image beside the one in use (a form's target)."""
    form = await read_form(request)
    sample = form.get("sample", "").strip() or "0"
    if not (sample.isascii() and sample.isdecimal() and len(sample) < 7):
        raise InvalidArgumentError(f"{sample!r} is no number of entities", field="sample")
    reference = form.get("reference", "").strip()
    if not reference:
        raise HttpError(
            400,
            "which image is to be tried? Name a tag, e.g. candidate, or the beginning of a digest",
            code="INVALID_ARGUMENT",
            reason="INVALID_ARGUMENT",
        )
    with remote_errors():
        made = await context_of(request).upstream.promotions.CreateTrial(
            promotion_pb2.CreateTrialRequest(
                candidate=f"{_name(request)}@{reference}",
                sample=int(sample),
                request_id=form.get("request_id") or secrets.token_hex(16),
            ),
            timeout=30.0,
        )
    return see_other(f"/{made.name}")


def _name(request: Request) -> str:
    name = request.path_params["name"]
    if not _NAME.fullmatch(name):
        raise NotFoundError("no environment can have that name")
    return f"environments/{name}"


ROUTES = [
    Route("/environments", environment_list),
    Route("/environments/{name}", environment),
    Route("/environments/{name}/verify", verify, methods=["POST"]),
    Route("/environments/{name}/revert", revert, methods=["POST"]),
    Route("/environments/{name}/trials", create_trial, methods=["POST"]),
]
