"""The feed, the badges, what changed lately, and the page of webhooks."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import feedparser  # type: ignore[import-untyped]  # ships no types
import httpx
import pytest

from tests.unit.gateway.fake_notifications import K
from tests.unit.gateway.fake_repository import V
from tests.unit.gateway.fake_services import FakeServices

ATOM = "{http://www.w3.org/2005/Atom}"


# Feed --------------------------------------------------------------------------------------------


async def test_the_feed_is_atom_that_readers_read(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """A strict parser finds nothing wrong, and all that RFC 4287 demands is there."""
    services.notifications.furnish()
    hostile = "<script>alert(1)</script> & \x00\x1b[31m \ufffe ]]>"
    services.notifications.change("UXMFA", 2, 1, 3, age=5, said=hostile)
    answer = await client.get("/feed.atom")
    assert "application/atom+xml" == answer.headers["content-type"]
    found = feedparser.parse(answer.content)
    assert not found.bozo, found.bozo_exception
    assert "atom10" == found.version
    assert 6 == len(found.entries)
    assert found.entries[0].summary.endswith(
        "<script>alert(1)</script> & \ufffd\ufffd[31m \ufffd ]]>"
    )

    root = ElementTree.fromstring(answer.content)  # noqa: S314  # our own
    for node in (root, *root.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert 1 == len(node.findall(f"{ATOM}{name}")), name
    assert root.find(f"{ATOM}author/{ATOM}name") is not None
    ids = [str(node.text) for node in root.iter(f"{ATOM}id")]
    assert len(ids) == len(set(ids))
    assert all(one.startswith("tag:") for one in ids)
    links = [node.attrib for node in root.findall(f"{ATOM}link")]
    assert {"self": "http://localhost:8642/feed.atom", "alternate": "http://localhost:8642/"} == {
        link["rel"]: link["href"] for link in links
    }
    updated = [str(node.text) for node in root.iter(f"{ATOM}updated")]
    assert updated[0] == max(updated[1:])


async def test_the_feed_is_filtered(client: httpx.AsyncClient, services: FakeServices) -> None:
    """By kind, by entity in the address or below it; and what there is not is said so."""
    services.notifications.furnish()
    broken = feedparser.parse((await client.get("/feed.atom?kind=broken&kind=changed")).content)
    assert ["changed", "broken"] == [entry.tags[0].term for entry in broken.entries]
    for address in ("/e/UXMFA/feed.atom", "/feed.atom?entity=UXMFA"):
        own = feedparser.parse((await client.get(address)).content)
        assert ["repaired", "first"] == [entry.tags[0].term for entry in own.entries]
        assert own.entries[0].title.startswith("Lorenz")
    assert 400 == (await client.get("/feed.atom?kind=odd")).status_code
    assert 404 == (await client.get("/e/ZZZZZ/feed.atom")).status_code


async def test_readers_come_back_for_nothing(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """A reader that says what it has gets 304, by tag or by time; and the feed when it is newer."""
    services.notifications.furnish()
    first = await client.get("/feed.atom")
    tag, time = first.headers["etag"], first.headers["last-modified"]
    for headers in ({"if-none-match": tag}, {"if-modified-since": time}):
        assert 304 == (await client.get("/feed.atom", headers=headers)).status_code
    assert 200 == (await client.get("/feed.atom", headers={"if-none-match": '"x"'})).status_code
    services.notifications.change("UXMFA", K.KIND_BROKEN, 1, 3, age=1)
    for headers in ({"if-none-match": tag}, {"if-modified-since": time}):
        assert 200 == (await client.get("/feed.atom", headers=headers)).status_code
    broken_time = {"if-modified-since": "yesterday or so"}
    assert 200 == (await client.get("/feed.atom", headers=broken_time)).status_code


async def test_an_empty_feed_is_a_feed(client: httpx.AsyncClient) -> None:
    """Where nothing ever happened, readers can subscribe already."""
    found = feedparser.parse((await client.get("/feed.atom")).content)
    assert not found.bozo
    assert [] == found.entries


async def test_what_errors_say_stays_with_those_who_may_see_it(
    make_gateway: Callable[..., Any], services: FakeServices
) -> None:
    """Without `debug`, neither feed nor landing page quote a script error; inaccuracy they do."""
    services.notifications.furnish()
    shy = make_gateway(debug=False).client
    for address in ("/feed.atom", "/", "/v1/verdictChanges"):
        text = (await shy.get(address)).text
        assert "symbtools" not in text
        assert "3.1e-02" in text
    data = (await shy.get("/", headers={"accept": "application/json"})).text
    assert "symbtools" not in data


async def test_pages_lead_to_the_feed(client: httpx.AsyncClient) -> None:
    """Feed readers find the feeds from any page, and an entity's from its own."""
    page = (await client.get("/queue")).text
    assert '<link rel="alternate" type="application/atom+xml"' in page
    assert 'href="/e/UXMFA/feed.atom"' in (await client.get("/e/UXMFA")).text


# Badges ------------------------------------------------------------------------------------------


async def test_badges_can_be_shown_by_pages_of_others(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """An SVG that says how an entity is, which other sites may embed, and only that."""
    services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    answer = await client.get("/e/UXMFA/badge.svg")
    assert "image/svg+xml" == answer.headers["content-type"].partition(";")[0]
    assert "cross-origin" == answer.headers["cross-origin-resource-policy"]
    assert "max-age=60" == answer.headers["cache-control"]
    assert "UXMFA: success" in answer.text
    etag = {"if-none-match": answer.headers["etag"]}
    assert 304 == (await client.get("/e/UXMFA/badge.svg", headers=etag)).status_code
    page = await client.get("/e/UXMFA")
    assert "same-origin" == page.headers["cross-origin-resource-policy"]
    assert "[![UXMFA](http://localhost:8642/e/UXMFA/badge.svg)]" in page.text


async def test_the_badge_of_the_repository_counts(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """It says how many of those that can be checked pass, and that nothing was checked."""
    assert "not checked" in (await client.get("/badge.svg")).text
    services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    services.scheduler.add("LRHZX", V.VERDICT_SCRIPT_ERROR)
    shield = (await client.get("/badge.json")).json()
    assert 1 == shield["schemaVersion"]
    good, total = shield["message"].removesuffix(" pass").split("/")
    assert 1 == int(good) < int(total)
    assert shield["message"] in (await client.get("/badge.svg")).text


@pytest.mark.parametrize(
    "label",
    ["<script>alert(1)</script>", '"/><g onload="x">', "&amp;\x00\x1b", "x" * 5000, "漢字🎉é"],
)
async def test_labels_are_texts(client: httpx.AsyncClient, label: str) -> None:
    """Whatever the address says stands in the picture as text, at most 64 characters of it."""
    answer = await client.get("/e/UXMFA/badge.svg", params={"label": label})
    root = ElementTree.fromstring(answer.text)  # noqa: S314  # our own
    svg = "{http://www.w3.org/2000/svg}"
    assert {"svg", "title", "clipPath", "rect", "g", "text"} == {
        node.tag.removeprefix(svg) for node in root.iter()
    }
    shown = "".join(sign for sign in label if sign.isprintable())[:64]
    assert shown == next(node.text for node in root.iter(f"{svg}text"))
    assert (
        shown
        == json.loads((await client.get("/e/UXMFA/badge.json", params={"label": label})).text)[
            "label"
        ]
    )


async def test_wide_words_have_wide_badges(client: httpx.AsyncClient) -> None:
    """The width follows from the letters, not from their number; without a label there is one."""

    async def width(label: str) -> int:
        answer = await client.get("/e/UXMFA/badge.svg", params={"label": label})
        return int(ElementTree.fromstring(answer.text).attrib["width"])  # noqa: S314  # our own

    assert await width("iiii") + 20 < await width("WWWW")
    assert await width("") < await width("i") - 12


async def test_nobodys_badge_says_so(client: httpx.AsyncClient) -> None:
    """An unknown key has a picture too, which pages show in place of a broken one."""
    answer = await client.get("/e/ZZZZZ/badge.svg")
    assert 404 == answer.status_code
    assert "unknown entity" in answer.text
    assert (await client.get("/e/ZZZZZ/badge.json")).json()["isError"]


# Landing -----------------------------------------------------------------------------------------


async def test_what_changed_lately_reads_as_sentences(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """Who broke when, since which commit, and what differs."""
    services.notifications.furnish()
    text = " ".join((await client.get("/")).text.split())
    assert "What changed lately" in text
    assert "success before, since commit abc1230def, data and environment changed" in text
    assert "3 h ago" in text
    data = (await client.get("/", headers={"accept": "application/json"})).json()
    assert "KIND_CHANGED" == data["changes"][0]["kind"]


# Webhooks ----------------------------------------------------------------------------------------


async def test_webhooks_are_made_on_their_page(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """The form makes one and shows its secret once; what is wrong is said beside the form."""
    form = {"url": "https://example.org/hook", "event": ["verdict.broken", "run.finished"]}
    made = await client.post("/webhooks", data=form)
    assert 200 == made.status_code
    assert "whsec_told-once" in made.text
    assert "whsec_told-once" not in (await client.get("/webhooks")).text
    assert ["run.finished", "verdict.broken"] == list(services.notifications.seen[-1].events)
    refused = await client.post("/webhooks", data={"url": "http://127.0.0.1", "event": "x"})
    assert 400 == refused.status_code
    assert "an address of this machine" in refused.text
    nothing = await client.post("/webhooks", data={"url": "https://example.org"})
    assert "choose at least one event" in nothing.text


async def test_the_delivery_log_tells_each_attempt(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """Status, duration, answer and error of each; again, pause, test and delete by forms."""
    services.notifications.furnish()
    [hook] = services.notifications.webhooks
    text = (await client.get("/webhooks")).text
    assert "the receiver answered 500" in text
    assert "no disk" in text
    for verb in ("test", "pause", "resume"):
        assert 303 == (await client.post(f"/{hook.name}/{verb}")).status_code
    failed = services.notifications.deliveries[hook.name][2]
    form = {"delivery": failed.name.rpartition("/")[2]}
    assert 303 == (await client.post(f"/{hook.name}/redeliver", data=form)).status_code
    assert failed.name == services.notifications.seen[-1].name
    assert 200 == (await client.get(f"/{hook.name}")).status_code
    assert "/webhooks" == (await client.post(f"/{hook.name}/delete")).headers["location"]
    assert 404 == (await client.get(f"/{hook.name}")).status_code


async def test_webhooks_are_for_administrators(
    make_gateway: Callable[..., Any], services: FakeServices
) -> None:
    """Whoever may only read sees neither page nor list, and makes none."""
    services.notifications.furnish()
    [hook] = services.notifications.webhooks
    public = make_gateway(address="0.0.0.0:8642", public_read=True).client
    for address in ("/webhooks", f"/{hook.name}", "/v1/webhooks", f"/v1/{hook.name}/deliveries"):
        answer = await public.get(address)
        assert answer.status_code in {401, 403}, address
        assert "chat.example.org" not in answer.text
    for address in ("/webhooks", f"/{hook.name}/delete", f"/{hook.name}/test"):
        assert (await public.post(address)).status_code in {401, 403}
    assert [hook] == services.notifications.webhooks
