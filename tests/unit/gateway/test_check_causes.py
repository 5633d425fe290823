"""The likely cause on the page of a failed check."""

from collections.abc import Callable

import pytest

from ackrep.scheduler.v1 import check_pb2
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices

MISSING = "ModuleNotFoundError: No module named 'assimulo'"


@pytest.mark.parametrize("debug", [True, False])
async def test_a_missing_package_is_named(
    make_gateway: Callable[..., Gateway], services: FakeServices, *, debug: bool
) -> None:
    """The page says what is missing and what to do, to those who may see errors."""
    story = services.scheduler.add("UXMFA", check_pb2.VERDICT_SCRIPT_ERROR)
    story.check.result.message = MISSING
    client = make_gateway(debug=debug).client
    page = await client.get(f"/{story.check.name}", headers={"accept": "text/html"})
    data = await client.get(f"/{story.check.name}", headers={"accept": "application/json"})

    assert debug == ("the package assimulo is not in" in page.text)
    assert debug == ("Likely cause" in page.text)
    assert debug == bool(data.json()["likely_cause"])


async def test_nothing_is_guessed(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Where one line does not say it, the page says nothing of a cause."""
    story = services.scheduler.add("UXMFA", check_pb2.VERDICT_SCRIPT_ERROR)
    story.check.result.message = "ZeroDivisionError: division by zero"
    page = await make_gateway(debug=True).client.get(f"/{story.check.name}")

    assert "Traceback" in page.text
    assert "Likely cause" not in page.text
