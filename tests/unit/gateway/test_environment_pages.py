"""Pages of environments and trials: what they say, and what maintainers can do there."""

from collections.abc import Callable
from html import unescape

import httpx
import pytest

from ackrep.scheduler.v1 import promotion_pb2
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_environments import BEFORE, IMAGE, TRIAL
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.page_texts import text_of

PAGE = "/environments/demo_environment"


def said(html: str) -> str:
    """The words of a page's content, as a browser shows them."""
    return unescape(text_of(html))


async def test_list(client: httpx.AsyncClient) -> None:
    """An environment is told with its image, packages, entities and trials."""
    text = said((await client.get("/environments")).text)

    assert "demo_environment" in text
    assert "9f9f9f9f9f9f" in text
    assert "4 packages" in text
    assert "1 trial" in text


async def test_without_a_runner(make_gateway: Callable[..., Gateway]) -> None:
    """Where no runner can be reached, what results and promotions say is shown."""
    for runner in (None, "127.0.0.1:1"):
        client = make_gateway(runner=runner).client
        for address in ("/environments", PAGE):
            text = said((await client.get(address)).text)

            assert "No runner tells of its images just now" in text
            assert "demo_environment" in text
            assert "9f9f9f9f9f9f" in text


async def test_images_and_promotions(client: httpx.AsyncClient) -> None:
    """The image in use, the one before it, and why it was put in use."""
    text = said((await client.get(PAGE)).text)

    assert "in use" in text
    assert "1d1d1d1d1d1d" in text
    assert "forced" in text
    assert "the reference values of the broken one were wrong" in text
    assert "1 broken" in text


async def test_packages(client: httpx.AsyncClient) -> None:
    """Packages are found by words, of the image in use and of one before it."""
    now = said((await client.get(PAGE, params={"packages": "NUM"})).text)
    before = said((await client.get(PAGE, params={"image": BEFORE, "packages": "num"})).text)
    none = said((await client.get(PAGE, params={"packages": "<b>"})).text)

    assert "numpy 2.2.6" in now
    assert "scipy" not in now
    assert "numpy 1.26.4" in before
    assert "which is not in use now" in before
    assert "No package has <b> in its name" in none


@pytest.mark.parametrize(
    "address",
    ["/environments/none", "/environments/%3Cb%3E", f"{PAGE}?image=sha256:00", "/trials/none"],
)
async def test_unknown(client: httpx.AsyncClient, address: str) -> None:
    """What there is not is 404, whatever it is called."""
    assert 404 == (await client.get(address)).status_code


async def test_trial(client: httpx.AsyncClient) -> None:
    """A trial names what broke first, with both verdicts and the numbers that differ."""
    text = said((await client.get(f"/{TRIAL}")).text)

    assert text.index("Newly broken") < text.index("Repaired") < text.index("Other numbers")
    assert "final_state_errors by 1.2e-09" in text
    assert "Although 1 entity that was a success is none in the candidate" in text


async def test_promote(client: httpx.AsyncClient, services: FakeServices) -> None:
    """An obstacle is overruled with a reason only; then the environment's page says it."""
    refused = await client.post(f"/{TRIAL}/promote", data={"reason": ""})
    done = await client.post(f"/{TRIAL}/promote", data={"force": "1", "reason": "known"})

    assert 400 == refused.status_code
    assert "is none in the candidate" in refused.text
    assert (303, f"{PAGE}#promotions") == (done.status_code, done.headers["location"])
    asked = services.environments.seen[-1]
    assert promotion_pb2.PromoteEnvironmentRequest(trial=TRIAL, force=True, reason="known") == asked
    assert "Put it in use" not in said((await client.get(f"/{TRIAL}")).text)


async def test_revert_and_try(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The last promotion is taken back with a reason; a candidate is tried by its tag."""
    refused = await client.post(f"{PAGE}/revert", data={"reason": " "})
    reverted = await client.post(f"{PAGE}/revert", data={"reason": "too slow"})
    empty = await client.post(f"{PAGE}/trials", data={"reference": ""})
    letters = await client.post(f"{PAGE}/trials", data={"reference": "x", "sample": "ten"})
    tried = await client.post(f"{PAGE}/trials", data={"reference": "candidate", "sample": "5"})

    assert [400, 303, 400, 400, 303] == [
        one.status_code for one in (refused, reverted, empty, letters, tried)
    ]
    made = services.environments.seen[-1]
    assert ("environments/demo_environment@candidate", 5) == (made.candidate, made.sample)
    assert f"/{TRIAL}" == tried.headers["location"]


async def test_examine(client: httpx.AsyncClient) -> None:
    """What examining finds is shown on the environment's page."""
    text = said((await client.post(f"{PAGE}/verify")).text)

    assert "What was found" in text


async def test_readers_steer_nothing(make_gateway: Callable[..., Gateway]) -> None:
    """Who may only read sees no form that changes an environment, and none is accepted."""
    client = make_gateway(address="0.0.0.0:80", public_read=True, debug=False).client
    for address in (PAGE, f"/{TRIAL}"):
        answer = await client.get(address)
        assert 200 == answer.status_code
        assert 'method="post"' not in answer.text.partition("<main")[2]
    assert 401 == (await client.post(f"/{TRIAL}/promote", data={"force": "1"})).status_code
    assert IMAGE in (await client.get(PAGE)).text
