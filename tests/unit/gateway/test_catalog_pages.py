"""What the pages of the catalog say: entities, concepts, questions, diagnostics, revisions."""

import json
import re
from html import unescape

import httpx

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from tests.unit.gateway.fake_repository import EARLIER, REVISION
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.page_texts import links, text_of, titles

V = check_pb2.Verdict
D = catalog_pb2.Diagnostic


async def test_entity(client: httpx.AsyncClient, services: FakeServices) -> None:
    """An entity's page has its texts, pictures, documents, files, archives and relations."""
    entity = services.catalog.entities["UXMFA"]
    entity.metadata.update(
        {"external_references": ["See https://example.org/a"], "editor_list": ["Grace Hopper"]}
    )
    entity.notes = "Mind the *step size*: $h < 2$."
    html = (await client.get("/e/UXMFA")).text
    text = text_of(html)

    assert "<h3>The Lorenz system</h3>" in html
    assert '<span class="math">$\\sigma$</span>' in html
    assert '<img src="/v1/entities/UXMFA/files/data/orbit.png" alt="The orbit"' in html
    assert ["/e/UXMFA/files/simulation.py"] == links(html, "the equations")
    assert "<em>step size</em>" in html
    assert "Grace Hopper" in text
    assert 'href="https://example.org/a" rel="nofollow noopener"' in html
    assert ["/v1/entities/UXMFA/files/data/documentation.pdf"] == links(html, "Open")
    assert ["/v1/entities/UXMFA:archive?format=FORMAT_ZIP"] == links(html, "zip")
    assert ["/v1/entities/UXMFA:archive?format=FORMAT_TAR_GZ"] == links(html, "tar.gz")
    assert ["/ontology/Autonomous_System"] == links(html, "Autonomous System")
    assert ["/entities?tag=chaos"] == links(html, "chaos")
    assert "ackrep check UXMFA" in text


async def test_relations(client: httpx.AsyncClient) -> None:
    """Relations lead both ways, in the drawing and in the list; missing ends are no links."""
    solution, problem, broken = [
        (await client.get(f"/e/{key}")).text for key in ("B2LQR", "P3SWG", "E1EUL")
    ]

    assert 3 == solution.count('href="/e/P3SWG"')  # wide, narrow, list
    assert 'aria-label="solves: Stabilise the upright pendulum, problem specification"' in solution
    assert 3 == problem.count('href="/e/B2LQR"')
    assert 'aria-label="solved by: Balancing the pendulum with LQR, problem solution"' in problem
    assert "missing" in text_of(broken)
    assert "/e/GONE1" not in broken


async def test_time_travel(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A past revision says so, leads back to now, and stays in the links; only now is watched."""
    short = EARLIER.removeprefix("revisions/")[:10]
    html = (await client.get(f"/e/B2LQR?revision={short}")).text
    past = EARLIER.removeprefix("revisions/")

    assert f"As of revision {short}" in re.sub("<[^>]+>", "", html)
    assert 'href="/e/B2LQR">See it now' in html
    assert f'href="/e/P3SWG?revision={past}"' in html
    assert f'href="/e/B2LQR/files/simulation.py?revision={past}"' in html
    assert f"/v1/entities/B2LQR:archive?format=FORMAT_ZIP&amp;revision={EARLIER}" in html
    assert "data-current-revision" not in html
    asked = [one for one in services.catalog.seen if hasattr(one, "revision")]
    assert {EARLIER} == {one.revision for one in asked}
    assert f'data-current-revision="{REVISION}"' in (await client.get("/e/B2LQR")).text
    for path in ("/entities?q=a", "/ontology?", "/ontology/State_Feedback?", "/diagnostics?"):
        other = (await client.get(f"{path}&revision={short}")).text
        assert "As of revision" in other, path
        assert f"revision={past}" in other, path


async def test_unknown_revision(client: httpx.AsyncClient) -> None:
    """A revision that was never indexed is a 404 in words."""
    answer = await client.get("/e/UXMFA?revision=abcdef0123")

    assert 404 == answer.status_code
    assert "revisions/abcdef0123" in answer.text


async def test_missing_entity(client: httpx.AsyncClient) -> None:
    """An unknown key is a 404 that offers similar ones."""
    answer = await client.get("/e/UXMFB")

    assert 404 == answer.status_code
    assert 'href="/e/UXMFA"' in answer.text


async def test_sources_by_kind(client: httpx.AsyncClient) -> None:
    """A picture is shown, a PDF opened by the browser, and all have raw and download links."""
    picture = (await client.get("/e/UXMFA/files/data/orbit.png")).text
    document = (await client.get("/e/UXMFA/files/data/documentation.pdf")).text
    source = (await client.get("/e/UXMFA/files/simulation.py")).text

    assert '<img src="/v1/entities/UXMFA/files/data/orbit.png"' in picture
    assert 'src="/v1/entities/UXMFA/files/data/documentation.pdf"' in document
    assert ["/v1/entities/UXMFA/files/simulation.py"] == links(source, "Raw")
    assert 'download="simulation.py"' in source


async def test_ontology(client: httpx.AsyncClient) -> None:
    """The tree has every concept with its entities, and finds words with all that is above."""
    html = (await client.get("/ontology")).text

    assert ["/ontology/Autonomous_System"] == links(html, "Autonomous System")
    assert 11 == html.count('class="concept-name"')
    assert "11 concepts" in text_of(html)
    found = (await client.get("/ontology?q=input")).text
    assert 3 == found.count('class="concept-name hit"')
    assert "Mechanical System" not in found
    assert "Nonlinear State Space System" in found


async def test_concept(client: httpx.AsyncClient) -> None:
    """A concept has its place in the tree, and the entities tagged with it or below it."""
    html = (await client.get("/ontology/Nonlinear_State_Space_System")).text

    assert 3 == len(titles(html))
    assert ["/entities?concept=Nonlinear_State_Space_System"] == links(html, "With all below")
    assert "/ontology/Dynamical_System" in html
    assert "/ontology/Input_Affine_System" in html
    listed = (await client.get("/entities?concept=Nonlinear_State_Space_System")).text
    assert sorted(titles(html)) == sorted(titles(listed))
    assert "concept Nonlinear State Space System" in text_of(listed)


async def test_missing_concept(client: httpx.AsyncClient) -> None:
    """An unknown concept is a 404 that offers similar ones and the entities with the tag."""
    answer = await client.get("/ontology/Autonomous_Systems")

    assert 404 == answer.status_code
    assert 'href="/ontology/Autonomous_System"' in answer.text
    assert 'href="/entities?tag=ocse%3AAutonomous_Systems"' in answer.text


async def test_no_ontology(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Without an ontology the pages say what it would be good for."""
    services.ontology.concepts.clear()

    assert "No ontology" in (await client.get("/ontology")).text
    assert "has no ontology" in (await client.get("/search-sparql")).text
    assert 404 == (await client.get("/ontology/X")).status_code


async def test_ontology_in_a_ring(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Concepts that are above each other, or far below, end the tree and not the gateway."""
    services.ontology.concepts = [("A", "B", ""), ("B", "A", "")]
    assert "concept-name" in (await client.get("/ontology")).text
    assert 200 == (await client.get("/ontology/A")).status_code
    services.ontology.concepts = [(f"C{n:04}", f"C{n - 1:04}" if n else "", "") for n in range(200)]
    assert "More below" in (await client.get("/ontology")).text


async def test_sparql(client: httpx.AsyncClient) -> None:
    """A query's answer is a table whose entities and concepts are links; it is there as JSON."""
    html = (await client.get("/search-sparql?query=SELECT * subClassOf")).text
    assert "11 rows" in text_of(html)
    assert "/ontology/State_Space_System" in links(html, "State Space System")
    query = "SELECT ?e { ?e P:has_ontology_based_tag P:iState_Space_System. }"
    html = (await client.get("/search-sparql", params={"query": query})).text
    assert ["/e/UXMFA"] == links(html, "Lorenz system")
    answer = await client.get(links(html, "as JSON")[0])
    assert 4 == len(json.loads(answer.text)["rows"])
    assert ">Yes<" in (await client.get("/search-sparql?query=ASK {}")).text
    assert "more rows" in (await client.get("/search-sparql?query=SELECT truncate")).text


async def test_sparql_examples(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Every example is a link that fills in and runs, and has an answer in this repository."""
    html = (await client.get("/search-sparql")).text
    examples = re.findall(r'<a class="what" href="(/search-sparql\?[^"]*)"', html)

    assert 6 == len(examples)
    for address in examples:
        page = (await client.get(unescape(address))).text
        assert 'id="result-title"' in page
        assert "Nothing found" not in page


async def test_sparql_mistakes(client: httpx.AsyncClient) -> None:
    """A mistake is shown with its line and a mark below the column; the query stays."""
    html = (await client.get("/search-sparql", params={"query": "ELECT ?x\nWHERE {}"})).text

    assert "Not understood at line 1, column 1" in text_of(html)
    assert re.search(r'1 │ </span>ELECT \?x\n<span class="caret"> {4}\^</span>', html)
    assert "ELECT ?x\nWHERE {}</textarea>" in html
    long = (await client.get("/search-sparql", params={"query": "x" * 20_001})).text
    assert "longer than 20,000 characters" in long


async def test_diagnostics(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Diagnostics are filtered by severity and code, with counts, and lead to the line."""
    lorenz = services.catalog.entities["UXMFA"]
    lorenz.path = "system_models/lorenz_system"
    html = (await client.get("/diagnostics")).text
    assert ["/diagnostics?severity=error"] == links(html, "errors 1")
    assert ["/diagnostics?code=unknown-field"] == links(html, "unknown-field 1")
    assert ["/e/UXMFA/files/metadata.yml#L9"] == links(html, "line 9")
    assert "Remove it." in html

    errors = (await client.get("/diagnostics?severity=error")).text
    assert "There is no entity with the key GONE1." in errors
    assert "Remove it." not in errors
    assert "None of these" in (await client.get("/diagnostics?severity=error&code=x")).text


async def test_many_diagnostics(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Many diagnostics come in pages, and the counts are of all."""
    services.catalog.diagnostics = [
        D(code="some-code", severity=D.SEVERITY_WARNING, path=f"f{n}", line=n, message=f"nr {n}.")
        for n in range(250)
    ]
    html = (await client.get("/diagnostics")).text
    assert 100 == html.count('class="diag ')
    assert ["/diagnostics?severity=warning"] == links(html, "warnings 250")
    for _ in range(2):
        html = (await client.get(links(html, "More")[-1])).text
    assert "nr 249." in html
    assert ["/diagnostics"] == links(html, "First page")


async def test_revisions(client: httpx.AsyncClient) -> None:
    """Revisions are listed newest first, with what each changed."""
    html = (await client.get("/revisions")).text
    new, old = (name.removeprefix("revisions/") for name in (REVISION, EARLIER))

    assert [f"/revisions/{old}..{new}"] == links(html, "since the one before")
    assert [f"/revisions/{old}..current"] == links(html, "until now")
    assert html.index(new[:10]) < html.index(old[:10])


async def test_changes(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Between two revisions: which entities are affected, why, and how they are."""
    services.scheduler.add("UXMFA", V.VERDICT_INACCURATE)
    old = EARLIER.removeprefix("revisions/")
    html = (await client.get(f"/revisions/{old}..current")).text
    text = text_of(html)

    assert "4 checkable entities" in text
    assert "its own folder" in text
    assert ["/e/M1LQR"] == links(html, "LQR design")
    assert [f"/e/0LD01?revision={old}"] == links(html, "An old model")
    assert "inaccurate" in text
    assert '<input type="hidden" name="entities" value="UXMFA B2LQR N0TBK">' in html
    made = await client.post("/runs", data={"title": "these", "entities": "UXMFA B2LQR"})
    assert "of 2" in text_of((await client.get(made.headers["location"])).text)
    same = (await client.get("/revisions/current..current")).text
    assert "Both are the same revision." in same
    assert 404 == (await client.get("/revisions/nothing1..current")).status_code


async def test_compare_with_a_branch(client: httpx.AsyncClient) -> None:
    """A branch, tag or commit is indexed and compared with the current revision."""
    answer = await client.post("/revisions", data={"ref": "main"})
    assert f"/{EARLIER}..current" == answer.headers["location"]
    assert 404 == (await client.post("/revisions", data={"ref": "nope"})).status_code
    old, new = (name.removeprefix("revisions/") for name in (EARLIER, REVISION))
    chosen = await client.get(f"/revisions/compare?base={old}&head={new}")
    assert f"/revisions/{old}..{new}" == chosen.headers["location"]
