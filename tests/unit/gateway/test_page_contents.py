"""What the pages say."""

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import httpx
import pytest

from ackrep.scheduler.v1 import check_pb2
from gateway.pages.sources import highlighted
from services.media import POLICY, artefact_type
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.page_texts import text_of

V = check_pb2.Verdict


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("verdict", "word"),
    [(V.VERDICT_SUCCESS, "success"), (V.VERDICT_INACCURATE, "inaccurate")],
)
async def test_propagation_of_results(
    make_gateway: Callable[..., Gateway],
    services: FakeServices,
    debug: bool,
    verdict: Any,
    word: str,
) -> None:
    """Nominal and numerical error: output and the word, with `debug` on and off."""
    story = services.scheduler.add("UXMFA", verdict)
    client = make_gateway(debug=debug).client
    text = text_of((await client.get(f"/{story.check.name}")).text)

    assert word in text
    assert "simulating UXMFA" in text
    assert "plot.svg" in text
    assert "simulating UXMFA" in (await client.get(f"/{story.check.name}/log")).text


async def test_a_model_is_shown_in_formulas(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """Equations and cells are marked for the script that sets formulas; other words stay words."""
    story = services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    quantity = story.check.result.quantities.add(name="xx", dtype="float64", shape=[9000])
    quantity.artefact = f"artefacts/{'a' * 64}"
    html = (await client.get(f"/{story.check.name}")).text
    assert r'<span class="math">$$\dot{x}_{3} = x_{1} x_{2} - \beta x_{3}$$</span>' in html
    assert r'<td><span class="math">$\sigma$</span></td>' in html
    assert "<td>Prandtl number</td>" in html
    assert "3 states" in text_of(html)
    assert f'href="/artefacts/{"a" * 64}/array.npy"' in html

    bare = services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    bare.check.result.ClearField("description")
    assert "model-section" not in (await client.get(f"/{bare.check.name}")).text


async def test_a_reused_result_says_whose_it_is(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """A check that did not have to run leads to the one that ran; others say nothing of it."""
    origin = services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    story = services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    story.check.reused_from = origin.check.name
    html = (await client.get(f"/{story.check.name}")).text
    assert f'result of <a href="/{origin.check.name}">an equal check</a>' in html
    assert "an equal check" not in (await client.get(f"/{origin.check.name}")).text


async def test_propagation_of_a_script_error_with_debug(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Script error, `debug` on: traceback, log, and the words "script error"."""
    story = services.scheduler.add("LRHZX", V.VERDICT_SCRIPT_ERROR)
    client = make_gateway(debug=True).client
    html = (await client.get(f"/{story.check.name}")).text

    assert "script error" in text_of(html)
    assert 'class="traceback"' in html
    assert 'id="log"' in html
    assert 2 <= text_of(html).count("parameter_list = [a, b, c")
    assert "SyntaxError" in (await client.get(f"/{story.check.name}/log")).text


async def test_propagation_of_a_script_error_without_debug(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Script error, `debug` off: the words "script error" only, on every page that tells of it."""
    story = services.scheduler.add("LRHZX", V.VERDICT_SCRIPT_ERROR)
    client = make_gateway(debug=False).client

    for path in (f"/{story.check.name}", "/e/LRHZX", "/", "/checks", "/entities"):
        html = (await client.get(path)).text
        assert "script error" in text_of(html)
        assert "SyntaxError" not in html
        assert "parameter_list" not in html
    answer = await client.get(f"/{story.check.name}/log")
    assert 403 == answer.status_code
    assert "SyntaxError" not in answer.text


async def test_running_check_without_debug(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Without `debug` nobody knows yet whether output may be shown: it waits for the verdict."""
    story = services.scheduler.add("LRHZX", V.VERDICT_SCRIPT_ERROR)
    story.check.state = check_pb2.Check.STATE_RUNNING
    story.check.verdict = V.VERDICT_UNSPECIFIED
    story.check.ClearField("result")
    html = (await make_gateway(debug=False).client.get(f"/{story.check.name}")).text

    assert "running" in text_of(html)
    assert "SyntaxError" not in html
    assert 'data-output="hidden"' in html


async def test_landing(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The overview says how many run and are right, what needs attention, and what is wrong."""
    services.scheduler.furnish()
    text = text_of((await client.get("/")).text)

    assert "3 of 8" in text
    assert "uncommitted changes" in text
    assert "Needs attention" in text
    assert "1 error" in text
    assert "Check everything" in text


async def test_landing_asks_few_times(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The latest verdicts and checks cost two calls, however few entities were ever checked."""
    services.scheduler.furnish()
    for _ in range(300):
        services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    text = text_of((await client.get("/")).text)

    assert 2 == services.scheduler.list_calls
    assert "final state differs" in text  # of a check that is not among the newest


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/entities",
        "/e/UXMFA",
        "/checks",
        "/diagnostics",
        "/ontology",
        "/search-sparql",
        "/revisions",
    ],
)
async def test_pages_while_empty(
    client: httpx.AsyncClient, services: FakeServices, path: str
) -> None:
    """Every page also makes sense before the first check, and without a single entity."""
    assert 200 == (await client.get(path)).status_code
    services.catalog.diagnostics.clear()
    if path != "/e/UXMFA":
        services.catalog.entities.clear()
    assert 200 == (await client.get(path)).status_code


@pytest.mark.parametrize("path", ["/nothing", "/checks/none", "/runs/none", "/artefacts/x/y"])
async def test_missing_pages(client: httpx.AsyncClient, path: str) -> None:
    """What is not there is a friendly 404."""
    answer = await client.get(path)

    assert 404 == answer.status_code
    assert "Back to the overview" in answer.text


async def test_service_away(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """Where a service does not answer, the page says so in its own words."""
    gateway = make_gateway()
    await gateway.context.upstream.close()
    answer = await gateway.client.get("/")

    assert answer.status_code >= 500
    assert "Traceback" not in answer.text


async def test_check_button(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The button is a plain form; it leads to the check's page."""
    services.scheduler.pace = 0.2
    html = (await client.get("/e/UXMFA")).text
    assert '<form method="post" action="/checks">' in html

    answer = await client.post("/checks", data={"entity": "UXMFA", "force": "1"})

    assert 303 == answer.status_code
    assert re.fullmatch("/checks/[0-9a-f]+", answer.headers["location"])
    assert services.scheduler.seen[-1].force
    page = await client.get(answer.headers["location"])
    assert '<meta http-equiv="refresh"' in page.text
    assert "data-watch=" in page.text


async def test_run_button(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Check everything leads to the run's page, which counts."""
    answer = await client.post("/runs", data={"title": "everything"})
    assert 303 == answer.status_code

    text = text_of((await client.get(answer.headers["location"])).text)

    assert "of 8" in text
    assert "Lorenz system" in text


async def test_cancel(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A running check can be cancelled from its page."""
    services.scheduler.pace = 0.2
    place = (await client.post("/checks", data={"entity": "UXMFA"})).headers["location"]
    assert f'action="{place}/cancel"' in (await client.get(place)).text

    answer = await client.post(f"{place}/cancel")

    assert place == answer.headers["location"]
    assert "Cancelling" in (await client.get(place)).text


async def test_sync(client: httpx.AsyncClient) -> None:
    """The repository is read again on request."""
    assert "/" == (await client.post("/sync")).headers["location"]


async def test_large_form(client: httpx.AsyncClient) -> None:
    """A form has a size limit."""
    assert 413 == (await client.post("/checks", data={"entity": "x" * 100_000})).status_code


async def test_nothing_inline(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Pages work under their policy: no inline script, style or handler."""
    services.scheduler.furnish()
    name = next(iter(services.scheduler.stories))
    paths = ("/", "/entities", "/e/UXMFA", f"/{name}", "/checks", "/diagnostics", "/nothing",
             "/ontology", "/ontology/State_Feedback", "/search-sparql?query=SELECT", "/revisions",
             "/entities?q=lorens", "/e/UXMFA/files/simulation.py",
             "/revisions/1a2b3c4d..current")  # fmt: skip
    for path in paths:
        html = (await client.get(path)).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
        assert re.findall("<script[^>]*>", html) == re.findall(r'<script src="/static/[^>]*>', html)


async def test_artefact(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A plot arrives whole, is kept for ever, and can run nothing."""
    story = services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    svg, png, csv = story.check.result.artefacts
    digest = svg.name.removeprefix("artefacts/")
    identity = {"accept-encoding": "identity"}  # each coding has a tag of its own
    answer = await client.get(f"/artefacts/{digest}/plot.svg", headers=identity)

    assert services.scheduler.artefacts[digest][1] == answer.content
    assert "image/svg+xml" == answer.headers["content-type"]
    assert f'"{digest}"' == answer.headers["etag"]
    assert "immutable" in answer.headers["cache-control"]
    assert POLICY == answer.headers["content-security-policy"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert answer.headers["content-disposition"].startswith("inline")
    again = await client.get(
        f"/artefacts/{digest}/plot.svg", headers={"if-none-match": answer.headers["etag"]}
    )
    assert 304 == again.status_code
    download = await client.get(f"/{csv.name}/t.csv")
    assert download.headers["content-disposition"].startswith("attachment")
    asked = await client.get(f"/{png.name}/p.png?download")
    assert asked.headers["content-disposition"].startswith("attachment")


async def test_artefact_names_cannot_break_headers(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """A file name with line breaks or quotes stays a name."""
    digest = services.scheduler.store(b"x", "x", "text/plain").name.removeprefix("artefacts/")
    answer = await client.get(f"/artefacts/{digest}/a%0D%0ASet-Cookie:b%22.txt")

    assert 200 == answer.status_code
    assert "set-cookie" not in answer.headers
    assert (
        'inline; filename="a__Set-Cookie_b_.txt"; '
        "filename*=UTF-8''a%0D%0ASet-Cookie%3Ab%22.txt" == answer.headers["content-disposition"]
    )


@pytest.mark.parametrize(
    ("stored", "filename", "expected"),
    [
        ("image/png", "x", "image/png"),
        ("text/html; charset=utf-8", "x.png", "text/html"),
        ("application/javascript", "x.js", "application/octet-stream"),
        ("text/javascript", "plot.png", "image/png"),
        ("", "report.PDF", "application/pdf"),
        ("application/xhtml+xml", "x.xhtml", "application/octet-stream"),
        ("multipart/x-mixed-replace", "x", "application/octet-stream"),
    ],
)
def test_media_types(stored: str, filename: str, expected: str) -> None:
    """Only listed types are told; all others are bytes."""
    assert expected == artefact_type(stored, filename)


async def test_page_is_as_new_as_its_log(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A check that goes on while its page is made is shown as its last event says."""
    story = services.scheduler.add("UXMFA", V.VERDICT_SUCCESS)
    running = check_pb2.Check()
    running.CopyFrom(story.check)
    running.ClearField("result")
    running.verdict = V.VERDICT_UNSPECIFIED
    running.state = check_pb2.Check.STATE_RUNNING
    story.events[-1].check_changed.CopyFrom(running)
    story.check.CopyFrom(running)
    story.check.state = check_pb2.Check.STATE_QUEUED
    html = (await client.get(f"/{story.check.name}")).text

    assert "running" in text_of(html)
    assert f"lastEventId={story.events[-1].resume_token}" in html


async def test_source(client: httpx.AsyncClient) -> None:
    """A file of an entity is shown as text, with a line number to link to."""
    html = (await client.get("/e/UXMFA/files/simulation.py")).text

    assert 'id="L4"' in html
    assert "simulate" in text_of(html)
    assert "&lt;script&gt;" in html
    assert "<script>&#" not in html
    assert 404 == (await client.get("/e/UXMFA/files/nothing.py")).status_code


def test_source_keeps_every_line() -> None:
    """Highlighting changes no text, whatever the language."""
    text = '\n\n"""a\nb"""\n\tx = {"<&>": 1}\n\n'
    for path in ("x.py", "x.unheard-of", "x.yml", "x.json"):
        lines = [re.sub("<[^>]+>", "", line) for line in highlighted(text, path)]
        assert text.splitlines() == [unescape(line) for line in lines], path


@pytest.mark.parametrize("text", ["'" * 400_000, "x = 1\n" * 60_000])
def test_a_source_that_takes_long_to_colour_stays_plain(text: str) -> None:
    """What makes a lexer slow, or is large, is shown as it is, and at once."""
    begin = time.monotonic()
    lines = highlighted(text, "model.py")
    assert time.monotonic() - begin < 5
    assert len(text.splitlines()) == len(lines)
    assert not any("<span" in line for line in lines)
