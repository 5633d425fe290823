"""`/trials/{id}`: a candidate image beside the one in use, entity by entity; and promoting it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import promotion_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages import comparisons, discretion, latest
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from services.errors import InvalidArgumentError, NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT


async def trial(request: Request) -> Response:
    """One trial: what broke, was repaired or changed in the candidate; and whether to use it."""
    upstream = context_of(request).upstream
    name = _name(request)
    try:
        with remote_errors():
            found = await upstream.promotions.GetTrial(
                promotion_pb2.GetTrialRequest(name=name), timeout=_TIMEOUT
            )
    except InvalidArgumentError as error:  # no trial can have such a name
        raise NotFoundError(f"there is no {name[:100]}") from error
    found.comparison.CopyFrom(discretion.shown(viewer_of(request), found.comparison))
    with remote_errors():
        known = await entities_named(
            upstream, (change.entity for change in found.comparison.changes)
        )
    return page(
        request,
        "trial.html",
        data={"trial": found},
        trial=found,
        sections=comparisons.sections(found.comparison),
        titles={name: entity.title for name, entity in known.items()},
    )


async def promote(request: Request) -> Response:
    """Puts the candidate of a trial in use (a form's target)."""
    form = await read_form(request)
    with remote_errors():
        made = await context_of(request).upstream.promotions.PromoteEnvironment(
            promotion_pb2.PromoteEnvironmentRequest(
                trial=_name(request),
                force=form.get("force") == "1",
                reason=form.get("reason", "").strip(),
            ),
            timeout=_TIMEOUT,
        )
    return see_other(f"/{made.environment}#promotions")


def _name(request: Request) -> str:
    return f"trials/{request.path_params['id']}"


ROUTES = [
    Route("/trials/{id}", trial),
    Route("/trials/{id}/promote", promote, methods=["POST"]),
]
