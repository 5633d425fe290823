"""Pages that look back: the matrix, runs, comparisons, causes, histories, bisections."""

import re
from collections.abc import Callable
from html import unescape

import httpx
import pytest

from ackrep.scheduler.v1 import bisection_pb2, check_pb2
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_history import CAUSE, COMMITS, fingerprint
from tests.unit.gateway.fake_repository import V
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.page_texts import links, text_of

JSON = {"accept": "application/json"}
S, E, T = V.VERDICT_SUCCESS, V.VERDICT_SCRIPT_ERROR, V.VERDICT_TIMED_OUT


@pytest.fixture
def runs(services: FakeServices) -> list[check_pb2.Run]:
    """Four nights of one entity that was right twice, failed, and failed otherwise."""
    return services.history.record("UXMFA", [S, S, E, V.VERDICT_INACCURATE])


def ids(runs: list[check_pb2.Run]) -> list[str]:
    """Ids of runs."""
    return [run.name.removeprefix("runs/") for run in runs]


def cells(html: str) -> list[tuple[str, str]]:
    """Class and title of each cell of the matrix."""
    body = html[html.index("<tbody>") :]
    return [
        (code, unescape(said))
        for code, said in re.findall(
            r'<a class="([^"]+)" href="/checks/[^"]+" title="([^"]*)">', body
        )
    ]


async def test_the_matrix(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """Runs across, oldest left, with what they have in common; each cell leads to its check."""
    html = (await client.get("/entity-overview")).text
    text = text_of(html)
    assert "4 runs, 1 entity" in text
    assert [("s", "success"), ("s", "success")] == cells(html)[:2]
    assert ("e", f"script error: {CAUSE}") == cells(html)[2]
    bands = re.findall(r'<td colspan="(\d)" class="\w*" title="([^"]*)">', html)
    assert [("2", COMMITS[0]), ("2", COMMITS[1])] == bands[:2]
    assert [("2", "demo:0.1.2"), ("2", "demo:0.1.3")] == bands[2:]
    assert [f"/{run.name}" for run in runs] == re.findall('<th scope="col"><a href="([^"]+)"', html)


async def test_the_matrix_shows_where_a_cause_is(
    client: httpx.AsyncClient, runs: list[check_pb2.Run]
) -> None:
    """A chosen cause marks its cells, without any script; chosen again, none is."""
    del runs
    group = fingerprint(CAUSE)
    html = (await client.get(f"/entity-overview?group={group}")).text
    assert ["s", "s", "e hit", "i"] == [code for code, _ in cells(html)]
    assert "/entity-overview#matrix" in links(html, CAUSE.replace("<", "&lt;")[:5])
    plain = (await client.get("/entity-overview")).text
    assert "hit" not in " ".join(code for code, _ in cells(plain))
    assert f"/entity-overview?group={group}#matrix" in links(plain, "ValueError")


async def test_the_matrix_is_filtered(
    client: httpx.AsyncClient, services: FakeServices, runs: list[check_pb2.Run]
) -> None:
    """By words, type, verdict, and to those whose verdict changed."""
    services.history.record("K9PND", [S, S, S])

    async def keys(query: str) -> list[str]:
        html = (await client.get(f"/entity-overview?{query}")).text
        return re.findall(r'<th scope="row"[^>]*><a href="/e/(\w+)"', html)

    assert ["K9PND", "UXMFA"] == await keys("")
    assert ["UXMFA"] == await keys("changed=1")
    assert ["UXMFA"] == await keys("verdict=script-error")
    assert [] == await keys("verdict=timed-out")
    assert ["K9PND"] == await keys("q=pendulum")
    assert [] == await keys("type=notebook")
    assert ["K9PND"] == await keys("run=" + ids(list(services.scheduler.runs.values()))[-1])
    assert ["UXMFA"] == await keys("run=" + ids(runs)[0])
    html = (await client.get("/entity-overview?type=notebook")).text
    assert "No entity is left by these filters" in html


async def test_the_matrix_in_pages(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """Older and newer runs by their links."""
    html = (await client.get("/entity-overview?runs=3")).text
    assert ["s", "e", "i"] == [code for code, _ in cells(html)]
    (older,) = links(html, "Older runs")
    html = (await client.get(older)).text
    assert ["s"] == [code for code, _ in cells(html)]
    assert [f"/{runs[0].name}"] == re.findall('<th scope="col"><a href="([^"]+)"', html)
    (newer,) = links(html, "Newer runs")
    assert "/entity-overview?runs=3#matrix" == newer


async def test_an_empty_matrix(client: httpx.AsyncClient) -> None:
    """Without a run the page says how one comes about."""
    text = text_of((await client.get("/entity-overview")).text)
    assert "No runs yet" in text
    assert "ackrep import-results" in text


@pytest.mark.parametrize(
    "query", ["runs=x", "runs=-1", "skip=²", "verdict=x", "type=x", "group=%00<"]
)
async def test_what_makes_no_sense_is_left_out(
    client: httpx.AsyncClient, runs: list[check_pb2.Run], query: str
) -> None:
    """An address that somebody mistyped shows the matrix all the same."""
    del runs
    answer = await client.get(f"/entity-overview?{query}")
    assert 200 == answer.status_code
    assert 4 == len(cells(answer.text))


async def test_runs_are_listed(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """Newest first, each to choose."""
    html = (await client.get("/runs")).text
    found = re.findall('name="run" value="([^"]+)"', html)
    assert ids(runs)[::-1] == found
    answer = await client.get(f"/runs/compare?run={found[0]}&run={found[2]}")
    assert f"/runs/{found[2]}/compare/{found[0]}" == answer.headers["location"]
    for few in ("", f"?run={found[0]}", "?run=a/../b&run=c"):
        assert 400 == (await client.get(f"/runs/compare{few}")).status_code


async def test_a_run(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """Its causes, the run before it to compare with, a filter by verdict."""
    html = (await client.get(f"/{runs[2].name}")).text
    text = text_of(html)
    assert "1 failure by 1 cause" in text
    assert f"/failure-groups/{fingerprint(CAUSE)}" in links(html, "ValueError")
    assert f'value="{ids(runs)[1]}" selected' in html
    assert f"/{runs[2].name}?verdict=script-error" in links(html, "script error")
    other = text_of((await client.get(f"/{runs[2].name}?verdict=success")).text)
    assert "No check of this run has that verdict" in other


async def test_a_run_as_a_file(
    client: httpx.AsyncClient,
    make_gateway: Callable[..., Gateway],
    services: FakeServices,
    runs: list[check_pb2.Run],
) -> None:
    """In the format of 2022; its name is one, and who may not see errors does not get it."""
    answer = await client.get(f"/{runs[0].name}/results.yaml")
    assert services.history.exported == answer.content
    assert (
        'attachment; filename="ci_results__2022_07_19__11_58_40.yamlx"'
        == answer.headers["content-disposition"]
    )
    public = make_gateway(debug=False).client
    assert 403 == (await public.get(f"/{runs[0].name}/results.yaml")).status_code


async def test_two_runs_compared(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """What broke, with what; other numbers with both of them and their difference."""
    first, second, third, _ = ids(runs)
    text = text_of((await client.get(f"/runs/{second}/compare/{third}")).text)
    assert "1 changed verdict" in text
    assert "Commit 4be1c0de4b 0badc0de0b another" in text
    assert "Environment demo:0.1.2 demo:0.1.3 another" in text
    assert "Newly broken 1" in text
    assert "success → script error" in text
    text = text_of((await client.get(f"/runs/{first}/compare/{second}")).text)
    assert "0 changed verdicts" in text
    assert "Commit 4be1c0de4b 4be1c0de4b the same" in text
    assert "final_state_errors 2 → 1.5 differs by 0.5 (25 %)" in text
    assert "Slower" in text
    assert 404 == (await client.get(f"/runs/{first}/compare/{'0' * 32}")).status_code


async def test_causes(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """Of a run, of all newest checks, and one of them in all runs."""
    text = text_of((await client.get(f"/failure-groups?run={ids(runs)[2]}")).text)
    assert "1 failure of the run of" in text
    assert "ValueError: &lt;no&gt; &#39;gain&#39; &amp; no" in text
    assert "Traceback (most recent call last)" in text
    now = text_of((await client.get("/failure-groups")).text)
    assert "among the newest checks of all entities" in now
    assert "inaccurate" in now
    one = text_of((await client.get(f"/failure-groups/{fingerprint(CAUSE)}")).text)
    assert "1 check ever, of 1 entity" in one
    assert "night 2" in one
    assert "Failed so once, and do no more" in one
    for unknown in ("0" * 32, "x"):
        assert 404 == (await client.get(f"/failure-groups/{unknown}")).status_code


async def test_a_history(client: httpx.AsyncClient, runs: list[check_pb2.Run]) -> None:
    """Passed last, failing since, what changed between the two; drawings, and all checks."""
    del runs
    html = (await client.get("/e/UXMFA/history")).text
    text = text_of(html)
    assert "4 finished checks" in text
    assert "from commit 4be1c0de4b to 0badc0de0b ; and the environment" in text
    assert "from demo:0.1.2 to demo:0.1.3" in text
    assert "Largest final-state error logarithmic" in text
    assert "Run time" in text
    assert "largest that passed 3e-07" in text
    assert 'action="/bisections"' not in html  # the images of imported checks are not at hand
    assert 404 == (await client.get("/e/D4MTR/history")).status_code


async def test_a_bisection_is_asked_for(
    client: httpx.AsyncClient, make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """By the button of a history; not by other sites, and not by readers."""
    services.history.record("UXMFA", [S, E], imported=False)
    assert 'action="/bisections"' in (await client.get("/e/UXMFA/history")).text
    answer = await client.post("/bisections", data={"entity": "UXMFA"})
    assert (303, "/bisections/1") == (answer.status_code, answer.headers["location"])
    assert "entities/UXMFA" == services.queue.seen[-1].entity
    foreign = {"origin": "https://elsewhere.example"}
    answer = await client.post("/bisections", data={"entity": "UXMFA"}, headers=foreign)
    assert 403 == answer.status_code
    public = make_gateway(address="0.0.0.0:8642", public_read=True).client
    refused = await public.post("/bisections", data={"entity": "UXMFA"})
    assert refused.status_code in {401, 403}
    assert 'action="/bisections"' not in (await public.get("/e/UXMFA/history")).text


async def test_a_bisection(client: httpx.AsyncClient, services: FakeServices) -> None:
    """From good to bad: successes, what runs, failures; the culprit stands out."""
    services.queue.furnish()
    commit = "c" * 40
    one = bisection_pb2.Bisection(
        name="bisections/7",
        entity="entities/UXMFA",
        state=bisection_pb2.Bisection.STATE_FINISHED,
        axis=bisection_pb2.Bisection.AXIS_COMMIT,
        good=bisection_pb2.BisectionPoint(commit="a" * 40, check="checks/1"),
        bad=bisection_pb2.BisectionPoint(commit="d" * 40, check="checks/9"),
        culprits=[bisection_pb2.BisectionPoint(commit=commit, subject="a faster solver")],
        candidate_count=9,
        message="broken by commit cccccccccc",
    )
    for name, verdict, known in (("b" * 40, S, True), (commit, E, False), ("e" * 40, T, False)):
        point = bisection_pb2.BisectionPoint(commit=name, check="checks/5")
        one.probes.add(point=point, verdict=verdict, known=known)
    services.queue.bisections.append(one)
    html = (await client.get("/bisections/7")).text
    text = text_of(html)
    assert "broken by commit cccccccccc" in text
    assert "a faster solver" in text
    order = re.findall(r'<li class="([\w -]+)">', html[html.index("bisecting") :])
    assert ["success", "success", "timed-out", "script-error culprit", "script-error"] == order
    assert "step 1, known already" in text
    assert "data-poll" not in html
    listed = (await client.get("/bisections")).text
    assert "broken by commit" in listed
    assert "data-poll" in listed  # another one runs
    assert 404 == (await client.get("/bisections/8")).status_code


async def test_what_failures_say_is_for_developers(
    make_gateway: Callable[..., Gateway], runs: list[check_pb2.Run]
) -> None:
    """Without `debug` nothing of a script error but its verdict, on no page and in no JSON."""
    client = make_gateway(debug=False).client
    for path in (
        "/entity-overview",
        f"/{runs[2].name}",
        f"/runs/{ids(runs)[1]}/compare/{ids(runs)[2]}",
        f"/failure-groups?run={ids(runs)[2]}",
        f"/failure-groups/{fingerprint(CAUSE)}",
        "/e/UXMFA/history",
    ):
        for headers in ({}, JSON):
            answer = await client.get(path, headers=headers)
            assert 200 == answer.status_code, path
            assert "ValueError" not in answer.text, (path, headers)
            assert "Traceback (most" not in answer.text, (path, headers)
            assert "script error" in answer.text.replace("SCRIPT_ERROR", "script error"), path


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/entity-overview", "matrix"),
        ("/runs", "runs"),
        ("/failure-groups", "groups"),
        ("/e/UXMFA/history", "points"),
        ("/bisections", "bisections"),
    ],
)
async def test_the_same_as_json(
    client: httpx.AsyncClient, runs: list[check_pb2.Run], path: str, field: str
) -> None:
    """Every page answers programs too."""
    del runs
    answer = await client.get(path, headers=JSON)
    assert "application/json" == answer.headers["content-type"]
    assert field in answer.json()
