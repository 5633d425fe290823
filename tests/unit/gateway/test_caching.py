"""What depends on the revision alone is asked for once, and never shown after another came."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway import caching
from gateway.access import rules
from gateway.access.viewers import Scope
from gateway.answers import Answer
from gateway.caching import Cache
from gateway.routes import RouteTable
from tests.unit.gateway.conftest import Gateway, eventually
from tests.unit.gateway.fake_services import FakeServices

TREE = "a" * 40
BOUND = [
    "/v1/entities/UXMFA",
    "/v1/entities?pageSize=3",
    "/v1/entities/UXMFA/closure",
    "/v1/diagnostics",
    "/v1/concepts",
]


@pytest.fixture
async def gateway(make_gateway: Callable[..., Gateway]) -> AsyncIterator[Gateway]:
    """A gateway that follows the catalog."""
    made = make_gateway()
    channel = made.context.upstream.channel("catalog")
    following = asyncio.ensure_future(
        caching.follow(channel, made.context.cache, made.context.closing)
    )
    await eventually(lambda: made.context.cache.generation > 0)
    yield made
    made.context.closing.set()
    await asyncio.wait_for(following, 5)


def calls(services: FakeServices) -> int:
    """How often the catalog was asked for entities."""
    return len(services.catalog.seen)


@pytest.mark.parametrize("path", BOUND)
async def test_asked_once(gateway: Gateway, path: str) -> None:
    """The same request gets the same bytes, from the gateway itself."""
    first = await gateway.client.get(path)
    kept = gateway.context.cache.find((path.partition("?")[0].encode(), first.request.url.query))
    again = await gateway.client.get(path)

    assert 200 == first.status_code
    assert kept is not None
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])


async def test_upstream_is_left_alone(gateway: Gateway, services: FakeServices) -> None:
    """A kept answer costs the catalog nothing; another request is another answer."""
    await gateway.client.get("/v1/entities/UXMFA")
    before = calls(services)
    await gateway.client.get("/v1/entities/UXMFA")
    await gateway.client.head("/v1/entities/UXMFA")

    assert before == calls(services)
    await gateway.client.get("/v1/entities/UXMFA?revision=revisions/current")
    assert before + 1 == calls(services)


async def test_another_revision(gateway: Gateway, services: FakeServices) -> None:
    """An event of the catalog empties the store; what was being asked for then is not kept."""
    await gateway.client.get("/v1/entities/UXMFA")
    gateway.context.cache.renew()
    before = calls(services)
    await gateway.client.get("/v1/entities/UXMFA")

    assert before + 1 == calls(services)


async def test_a_change_through_this_gateway(gateway: Gateway, services: FakeServices) -> None:
    """Who changes something sees the change with the next request, event or not."""
    await gateway.client.get("/v1/entities/UXMFA")
    before = calls(services)
    assert 200 == (await gateway.client.post("/v1/revisions:sync")).status_code
    await gateway.client.get("/v1/entities/UXMFA")

    assert before < calls(services)


async def test_errors_are_not_kept(gateway: Gateway) -> None:
    """What is not there may be there in a moment."""
    assert 404 == (await gateway.client.get("/v1/entities/NOPE1")).status_code
    assert gateway.context.cache.find((b"/v1/entities/NOPE1", b"")) is None


async def test_nothing_is_kept_without_the_stream(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """While the catalog tells nothing, every request reaches it."""
    client = make_gateway().client
    await client.get("/v1/entities/UXMFA")
    before = calls(services)
    await client.get("/v1/entities/UXMFA")

    assert before + 1 == calls(services)


async def test_the_stream_is_cut(make_gateway: Callable[..., Gateway]) -> None:
    """A catalog that is away closes the store, until it tells of a revision again."""
    gateway = make_gateway(runner="127.0.0.1:1")
    cache = gateway.context.cache
    cache.renew()
    cache.keep((b"/x", b""), answer(), generation=cache.generation)
    closing = asyncio.Event()
    channel = gateway.context.upstream.channel("runner")  # nobody is there
    following = asyncio.ensure_future(caching.follow(channel, cache, closing))
    await eventually(lambda: cache.find((b"/x", b"")) is None)
    cache.keep((b"/x", b""), answer(), generation=cache.generation)

    assert cache.find((b"/x", b"")) is None
    closing.set()
    await asyncio.wait_for(following, 5)


def answer(size: int = 10) -> Answer:
    """An answer of so many bytes."""
    return Answer(b"x" * size, route="/x")


def test_generations() -> None:
    """An answer that was asked for before something happened is not kept."""
    cache = Cache()
    cache.renew()
    before = cache.generation
    cache.renew()
    cache.keep((b"/x", b""), answer(), generation=before)

    assert cache.find((b"/x", b"")) is None


def test_bound() -> None:
    """What is kept is bounded by its size; what was not asked for longest goes."""
    cache = Cache(limit=40_000)
    cache.renew()
    for number in range(10):
        cache.keep((b"/%d" % number, b""), answer(4000), generation=cache.generation)
        cache.find((b"/0", b""))

    kept = [number for number in range(10) if cache.find((b"/%d" % number, b""))]
    assert [0, 7, 8, 9] == kept
    cache.keep((b"/large", b""), answer(caching.LARGEST_BYTES + 1), generation=cache.generation)
    assert cache.find((b"/large", b"")) is None


@pytest.mark.parametrize(
    ("rpc", "revision", "fixed"),
    [
        ("GetEntity", "", False),
        ("GetEntity", "revisions/current", False),
        ("GetEntity", f"revisions/{TREE[:12]}", False),
        ("GetEntity", f"revisions/{TREE}", True),
        ("ListEntities", f"revisions/{TREE}", True),
        ("GetClosure", f"revisions/{TREE}", False),
        ("SearchEntities", f"revisions/{TREE}", False),
    ],
)
def test_cache_control(rpc: str, revision: str, *, fixed: bool) -> None:
    """Only what names its content by the whole id of a revision never changes."""
    route = next(route for route in RouteTable().routes if route.rpc.name == rpc)
    told = caching.cache_control(route.method, route.request(revision=revision))

    assert ("private, max-age=31536000, immutable" if fixed else "no-cache") == told


async def test_all_that_reads_is_asked_for_again(client: httpx.AsyncClient) -> None:
    """What may change is kept by nobody without asking."""
    for path in ("/v1/entities/UXMFA", "/v1/checks", "/v1/queue"):
        assert "no-cache" == (await client.get(path)).headers["cache-control"]


@pytest.mark.parametrize("method", sorted(caching.BY_REVISION))
def test_what_is_kept_is_for_all_who_read(method: str) -> None:
    """No kept answer takes more than the gate asked for already, nor depends on who asks."""
    assert Scope.READ == rules.of_rpc(method, "GET").scope
