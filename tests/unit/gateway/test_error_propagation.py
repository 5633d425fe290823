"""Who sees what a script error says: the same over the API as on pages.

The table of the design: nominal and inaccurate checks show their output to everybody; of a script
error, traceback and log are for whoever the setting `debug` lets see them, and for maintainers.
"""

import hashlib
from collections.abc import Callable

import httpx
import pytest

from ackrep.scheduler.v1 import check_pb2, comparison_pb2, history_pb2, scheduler_pb2
from gateway.access.redaction import redact
from services.scheduler.domain.access import Scope
from tests.unit.gateway import page_addresses
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices

SAID = "never closed"
"""What the script error of the made-up repository says."""
HTML = {"accept": "text/html"}


async def addresses(services: FakeServices) -> tuple[str, str]:
    """Names of a check that is well, and of one with a script error."""
    services.scheduler.furnish()
    await services.scheduler.CreateRun(scheduler_pb2.CreateRunRequest(entities=[]), None)
    return page_addresses.filled("{check}", services), page_addresses.filled("{failed}", services)


@pytest.mark.parametrize(
    ("debug", "scope", "shown"),
    [
        (True, None, True),
        (False, None, False),
        (False, Scope.READ, False),
        (False, Scope.CHECK, False),
        (False, Scope.MAINTAIN, True),
        (False, Scope.ADMIN, True),
    ],
)
async def test_script_errors(
    make_gateway: Callable[..., Gateway],
    services: FakeServices,
    debug: bool,
    scope: Scope | None,
    shown: bool,
) -> None:
    """Each way to a script error's words is open, or each is closed; the verdict is always told."""
    client = make_gateway(debug=debug).client
    if scope is not None:
        client.headers["authorization"] = f"Bearer {await services.access.token('mira', scope)}"
    _, failed = await addresses(services)
    check = (await client.get(f"/v1/{failed}")).json()
    assert "VERDICT_SCRIPT_ERROR" == check["verdict"] == check["result"]["verdict"]
    assert shown == bool(check["result"]["traceback"])
    assert shown >= bool(check["result"]["log"])
    assert shown == bool(check["result"]["message"])
    for path in (f"/v1/{failed}", "/v1/checks", f"/v1/{failed}:watch", f"/{failed}"):
        for headers in ({}, {"grpc-timeout": "2S"}, HTML, {"accept": "application/json"}):
            answer = await client.get(path, headers=headers)
            assert 200 == answer.status_code
            lists = path == "/v1/checks" or (path.endswith("watch") and "/v1" in path)
            assert (SAID in answer.text) <= shown, (path, headers)
            assert lists or shown == (SAID in answer.text), (path, headers)
    assert (200 if shown else 403) == (await client.get(f"/{failed}/log")).status_code
    watched = (await client.get(f"/v1/{failed}:watch")).text
    assert shown == ('"log":{' in watched)
    assert "VERDICT_SCRIPT_ERROR" in watched


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_no_page_tells_by_the_way(
    make_gateway: Callable[..., Gateway], services: FakeServices, accept: str
) -> None:
    """With `debug` off, no page at all holds what a script error says, in either form."""
    await addresses(services)
    for debug in (True, False):
        client = make_gateway(debug=debug).client
        found = set()
        for address in page_addresses.PAGES.values():
            path = page_addresses.filled(address, services)
            answer = await client.get(path, headers={"accept": accept})
            if SAID in answer.text:
                found.add(address)
        assert debug == bool(found), found


@pytest.mark.parametrize("debug", [True, False])
async def test_what_is_well_is_shown(
    make_gateway: Callable[..., Gateway], services: FakeServices, debug: bool
) -> None:
    """Output, log and message of a nominal check are for everybody."""
    client = make_gateway(debug=debug).client
    well, _ = await addresses(services)
    check = (await client.get(f"/v1/{well}")).json()
    assert "VERDICT_SUCCESS" == check["verdict"]
    assert '"log":{' in (await client.get(f"/v1/{well}:watch")).text
    assert 200 == (await client.get(f"/{well}/log")).status_code


async def test_logs_by_their_digest(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Who knows the address of a log, e.g. from a colleague, is no further with it."""
    closed: httpx.AsyncClient = make_gateway(debug=False).client
    opened = make_gateway(debug=True).client
    content = b'{"text": "never closed"}\n'
    digest = hashlib.sha256(content).hexdigest()
    services.scheduler.artefacts[digest] = ("application/x-ndjson", content)
    address = f"/artefacts/{digest}/log.jsonl"
    assert 200 == (await opened.get(address)).status_code
    answer = await closed.get(address)
    assert (403, False) == (answer.status_code, SAID in answer.text)
    private = (await opened.get(address)).headers["cache-control"]
    assert private.startswith("private")


def test_everything_that_holds_an_error_is_known() -> None:
    """Checks anywhere in an answer, causes, histories and comparisons keep their verdicts only."""
    bad = check_pb2.VERDICT_SCRIPT_ERROR
    check = check_pb2.Check(verdict=bad)
    check.result.traceback = check.result.message = check.result.log = SAID
    check.result.verdict = bad
    check.failed_attempts.add(attempt=1, reason=SAID)
    group = history_pb2.FailureGroup(fingerprint="f", title=SAID, excerpt=SAID, verdict=bad)
    change = comparison_pb2.EntityChange(entity="entities/A", message=SAID, other_verdict=bad)
    point = history_pb2.HistoryPoint(title=SAID)
    point.sighting.verdict = bad
    for message in (
        scheduler_pb2.ListChecksResponse(checks=[check]),
        check_pb2.RunEvent(check=check),
        check_pb2.CheckEvent(check_changed=check),
        history_pb2.ListFailureGroupsResponse(groups=[group]),
        history_pb2.ListEntityHistoryResponse(points=[point]),
        history_pb2.EntityHistory(title=SAID),
        history_pb2.VerdictMatrix(causes=[history_pb2.MatrixCause(title=SAID)]),
        comparison_pb2.RunComparison(changes=[change]),
    ):
        assert SAID in str(message)
        redact(message)
        assert SAID not in str(message), message.DESCRIPTOR.full_name
    well = check_pb2.Check(verdict=check_pb2.VERDICT_INACCURATE)
    well.result.message = SAID
    redact(well)
    assert SAID in str(well), "numbers that are not the expected ones are for everybody"
