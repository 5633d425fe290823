"""Which scope each request takes: the one table.

What reads takes `read`, unless it stands here. Whatever changes something stands here; a test
walks all routes and fails where one is missing. One that were missing all the same would take
`admin`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.routing import compile_path

from gateway.access.viewers import Scope

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""HTTP methods that change nothing."""


@dataclass(frozen=True)
class Rule:
    """What a request takes."""

    scope: Scope | None
    """None: nothing; whoever comes may do it."""
    starts: bool = False
    """Whether it starts checks, of which whoever comes without a token has a quota."""
    changes: bool = True
    """Whether it changes something, and so stands in the audit log."""


_READ = Rule(Scope.READ, changes=False)
_LOOK = Rule(Scope.ADMIN, changes=False)
_CHECK, _START = Rule(Scope.CHECK), Rule(Scope.CHECK, starts=True)
_MAINTAIN, _TRY = Rule(Scope.MAINTAIN), Rule(Scope.MAINTAIN, starts=True)
_ADMIN, _NOBODY = Rule(Scope.ADMIN), Rule(None)

RPCS: Mapping[str, Rule] = {
    "ackrep.catalog.v1.CatalogService/IndexRevision": _CHECK,
    "ackrep.catalog.v1.CatalogService/SyncRevision": _CHECK,
    "ackrep.catalog.v1.OntologyService/QueryOntology": _READ,
    "ackrep.catalog.v1.ProposalService/CreateProposal": _START,
    "ackrep.catalog.v1.ProposalService/RefreshProposal": _CHECK,
    "ackrep.catalog.v1.ProposalService/CloseProposal": _MAINTAIN,
    "ackrep.runner.v1.DocumentService/RenderParameters": _START,
    "ackrep.runner.v1.EnvironmentService/PrepareEnvironment": _MAINTAIN,
    "ackrep.runner.v1.EnvironmentService/VerifyEnvironment": _MAINTAIN,
    "ackrep.scheduler.v1.AccessService/CreateToken": _ADMIN,
    "ackrep.scheduler.v1.AccessService/ListTokens": _LOOK,
    "ackrep.scheduler.v1.AccessService/RevokeToken": _ADMIN,
    "ackrep.scheduler.v1.AccessService/ListAuditEntries": _LOOK,
    "ackrep.scheduler.v1.BisectionService/CreateBisection": _START,
    "ackrep.scheduler.v1.NotificationService/CreateWebhook": _ADMIN,
    "ackrep.scheduler.v1.NotificationService/DeleteWebhook": _ADMIN,
    "ackrep.scheduler.v1.NotificationService/ListWebhooks": _LOOK,
    "ackrep.scheduler.v1.NotificationService/ListWebhookDeliveries": _LOOK,
    "ackrep.scheduler.v1.NotificationService/PauseWebhook": _ADMIN,
    "ackrep.scheduler.v1.NotificationService/RedeliverWebhook": _ADMIN,
    "ackrep.scheduler.v1.NotificationService/ResumeWebhook": _ADMIN,
    "ackrep.scheduler.v1.NotificationService/TestWebhook": _ADMIN,
    "ackrep.scheduler.v1.PromotionService/CreateTrial": _TRY,
    "ackrep.scheduler.v1.PromotionService/PromoteEnvironment": _MAINTAIN,
    "ackrep.scheduler.v1.PromotionService/RevertEnvironment": _MAINTAIN,
    "ackrep.scheduler.v1.QueueService/PauseQueue": _MAINTAIN,
    "ackrep.scheduler.v1.QueueService/ReplayDeadLetters": _MAINTAIN,
    "ackrep.scheduler.v1.QueueService/ResumeQueue": _MAINTAIN,
    "ackrep.scheduler.v1.ScheduleService/CreateSchedule": _MAINTAIN,
    "ackrep.scheduler.v1.ScheduleService/DeleteSchedule": _MAINTAIN,
    "ackrep.scheduler.v1.SchedulerService/CancelCheck": _CHECK,
    "ackrep.scheduler.v1.SchedulerService/CancelRun": _CHECK,
    "ackrep.scheduler.v1.SchedulerService/CreateCheck": _START,
    "ackrep.scheduler.v1.SchedulerService/CreateRun": _START,
    "ackrep.scheduler.v1.SchedulerService/DrainRunner": _MAINTAIN,
    "ackrep.scheduler.v1.SchedulerService/ResumeRunner": _MAINTAIN,
}
"""By the rpc's path, without its first slash."""

PAGES: Mapping[str, Rule] = {
    "GET /audit": _LOOK,
    "GET /tokens": _LOOK,
    "GET /webhooks": _LOOK,
    "GET /webhooks/{id}": _LOOK,
    "GET /login": _NOBODY,
    "GET /healthz": _NOBODY,
    "GET /readyz": _NOBODY,
    "POST /bisections": _START,
    "POST /checks": _START,
    "POST /checks/{id}/cancel": _CHECK,
    "POST /environments/{name}/revert": _MAINTAIN,
    "POST /environments/{name}/trials": _TRY,
    "POST /environments/{name}/verify": _MAINTAIN,
    "POST /login": _NOBODY,
    "POST /logout": _NOBODY,
    "POST /merge-requests": _START,
    "POST /mr/{key}/check": _START,
    "POST /mr/{key}/close": _MAINTAIN,
    "POST /mr/{key}/refresh": _CHECK,
    "POST /queue/drain-runner": _MAINTAIN,
    "POST /queue/pause": _MAINTAIN,
    "POST /queue/replay": _MAINTAIN,
    "POST /queue/resume": _MAINTAIN,
    "POST /queue/resume-runner": _MAINTAIN,
    "POST /revisions": _CHECK,
    "POST /runs": _START,
    "POST /runs/{id}/cancel": _CHECK,
    "POST /sync": _CHECK,
    "POST /tokens": _ADMIN,
    "POST /trials/{id}/promote": _MAINTAIN,
    "POST /tokens/{id}/revoke": _ADMIN,
    "POST /webhooks": _ADMIN,
    "POST /webhooks/{id}/{verb}": _ADMIN,
}
"""By verb and route of a page."""

_PATTERNS = [
    (verb, compile_path(path)[0], f"{verb} {path}", rule)
    for place, rule in PAGES.items()
    for verb, _, path in (place.partition(" "),)
]


def of_rpc(method: str, verb: str) -> Rule:
    """What an rpc takes.

    Args:
        method: Its path, `/package.Service/Method`.
        verb: The HTTP method by which it is asked.
    """
    found = RPCS.get(method.removeprefix("/"))
    return found or (_READ if verb in SAFE else _ADMIN)


def of_page(verb: str, path: str) -> tuple[Rule, str]:
    """What a page takes, and its verb and route; its address where it is not in the table."""
    asked = "GET" if verb == "HEAD" else verb
    for own, pattern, place, rule in _PATTERNS:
        if own == asked and pattern.match(path):
            return rule, place
    return (_READ if verb in SAFE else _ADMIN), f"{asked} {path}"
