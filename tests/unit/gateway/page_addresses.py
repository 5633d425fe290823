"""An example address of every page, for tests that walk all of them.

A new page gets a line here: its route's path, and an address of it over the made-up services.
`{check}`, `{failed}` and `{run}` stand for names that differ from start to start.
"""

from collections.abc import Iterator, Mapping

from starlette.routing import Route

import gateway.app
from ackrep.scheduler.v1 import scheduler_pb2
from tests.unit.gateway.fake_history import fingerprint
from tests.unit.gateway.fake_services import FakeServices

PAGES: Mapping[str, str] = {
    "/": "/",
    "/entities": "/entities?q=pendulum",
    "/e/{key}": "/e/UXMFA",
    "/e/{key}/files/{path:file}": "/e/UXMFA/files/simulation.py",
    "/ontology": "/ontology",
    "/ontology/{concept}": "/ontology/State_Space_System",
    "/search-sparql": "/search-sparql?query=SELECT%20subClassOf",
    "/diagnostics": "/diagnostics",
    "/revisions": "/revisions",
    "/revisions/{pair}": "/revisions/1a2b3c4d..current",
    "/checks": "/checks",
    "/checks/{id}": "/{check}",
    "/runs": "/runs",
    "/runs/{id}": "/{run}",
    "/queue": "/queue",
    "/api": "/api",
    "/login": "/login?next=/queue",
    "/tokens": "/tokens",
    "/audit": "/audit",
    "/environments": "/environments",
    "/environments/{name}": "/environments/demo_environment",
    "/trials/{id}": "/trials/0199000000000000000000000000000a",
    "/entity-overview": "/entity-overview",
    "/e/{key}/history": "/e/UXMFA/history",
    "/failure-groups": "/failure-groups",
    "/failure-groups/{id}": "/failure-groups/{cause}",
    "/runs/{id}/compare/{other}": "/{run}/compare/{other}",
    "/merge-requests": "/merge-requests",
    "/mr/{key}": "/mr/MR001",
    "/bisections": "/bisections",
    "/bisections/{id}": "/bisections/1",
    "/webhooks/{id}": "/{webhook}",
    "/webhooks": "/webhooks",
}
"""Address by the path of its route."""

OTHERS: Mapping[str, str] = {
    "/badge.json": "for badge services",
    "/badge.svg": "a picture",
    "/e/{key}/badge.json": "for badge services",
    "/e/{key}/badge.svg": "a picture",
    "/e/{key}/feed.atom": "a feed",
    "/feed.atom": "a feed",
    "/live": "a stream",
    "/login": "a form for people alone",
    "/runs/compare": "leads to the comparison",
    "/search": "leads to /entities",
    "/revisions/compare": "leads to the comparison",
    "/checks/{id}/log": "plain text",
    "/artefacts/{sha256}/{filename}": "a file",
    "/runs/{id}/results.yaml": "a file",
    "/api/try/{operation}": "leads to what was asked for",
    "/healthz": "a probe",
    "/readyz": "a probe",
    "/metrics": "for Prometheus",
    "/openapi.json": "a description of the API",
}
"""What answers GET and is no page, and what it is."""


def routes() -> Iterator[str]:
    """Lists the paths of all routes that answer GET, as the application has them."""
    modules = [one for one in vars(gateway.app).values() if hasattr(one, "ROUTES")]
    found = [route for module in modules for route in module.ROUTES]
    yield from dict.fromkeys(
        route.path for route in found if isinstance(route, Route) and "GET" in (route.methods or ())
    )


def filled(address: str, services: FakeServices) -> str:
    """Puts the names of the present start into an example address."""
    stories = services.scheduler.stories.values()
    failed = next(one.check for one in stories if one.check.entity.endswith("LRHZX"))
    runs = [*services.scheduler.runs, "runs/none", "runs/none"]
    return address.format(
        check=next(one.check.name for one in stories if one.check.entity.endswith("UXMFA")),
        failed=failed.name,
        cause=fingerprint(failed.result.message),
        run=runs[0],
        other=runs[1].removeprefix("runs/"),
        webhook=next((one.name for one in services.notifications.webhooks), "webhooks/none"),
    )


async def furnish(services: FakeServices) -> None:
    """Makes a believable history, with two runs."""
    services.scheduler.furnish()
    services.queue.furnish()
    services.notifications.furnish()
    for title in ("nightly", "after the change"):
        await services.scheduler.CreateRun(
            scheduler_pb2.CreateRunRequest(title=title, entities=[]), None
        )
