"""A hostile data repository on the real system, read in a real browser: nothing of it runs."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import browser  # noqa: F401  # a fixture
from tests.browser.watching import Watch
from tests.command_projects import up
from tests.hostile_repository import BATCHES, BRANCH, CHECKED, FILES, ODD, HostileProject, key_of
from tests.unit.gateway.hostile import CORPUS, plain
from tests.unit.gateway.test_hostile_pages import offences

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileProject]:
    """A running system over the repository, with a run, a proposal and a webhook."""
    state = tmp_path_factory.mktemp("state")
    project = HostileProject(tmp_path_factory.mktemp("hostile"), state=state)
    with up(project):
        done = project.run("check", *CHECKED, "NOMIN", "--force")
        assert done.returncode == 1, done.stdout + done.stderr
        yield project


@pytest.fixture(scope="module")
def site(project: HostileProject) -> str:
    """Where its pages are."""
    system = project.system()
    assert system is not None
    return system.page.rstrip("/")


@pytest.fixture
def watch(browser: Browser, site: str) -> Iterator[Watch]:  # noqa: F811
    """A window; what happened in it fails the test."""
    context = browser.new_context(base_url=site)
    context.set_default_timeout(30_000)
    watch = Watch(context, site)
    yield watch
    context.close()
    assert not watch.offences, "\n".join(watch.offences)


def links(site: str, path: str, pattern: str) -> list[str]:
    """Finds addresses in a page."""
    html = httpx.get(f"{site}{path}").raise_for_status().text
    return sorted(set(re.findall(f'href="({pattern})"', html)))


def test_entities(watch: Watch, site: str) -> None:
    """Every field, README and file, on its page, in lists, and in what is found."""
    for number in range(len(BATCHES)):
        watch.visit(f"/e/{key_of(number)}", status=200)
    for path in ("/", "/entities", "/entity-overview", "/diagnostics", "/revisions", "/ontology",
                 f"/e/{FILES}", "/environments", "/queue"):  # fmt: skip
        watch.visit(path, status=200)
    for path in links(site, "/entities", r'/entities\?[^"]*')[:12]:
        watch.visit(path)
    listed = httpx.get(f"{site}/v1/entities?pageSize=500").json()["entities"]
    assert len(BATCHES) <= len(listed)


def test_files(watch: Watch, site: str) -> None:
    """Files called after the values; files with all values in every language; raw files."""
    files = httpx.get(f"{site}/v1/entities/{FILES}").json()["files"]
    paths = [one["path"] for one in files]
    named = [path for path in paths if path not in {"notebook.ipynb", "README.md"}]
    assert 200 <= len(named)
    with httpx.Client(base_url=site, timeout=30) as client:
        for path in named:
            answer = client.get(f"/e/{FILES}/files/{quote(path, safe='')}")
            assert 200 == answer.status_code, path
            assert [] == offences(answer.text), path
    shown = [path for path in paths if path.startswith(("all.", "page.", "picture.", "notebook."))]
    odd = [path for path in named if path not in shown][:: len(named) // 12]
    for path in (*shown, *odd, "README.md"):
        watch.visit(f"/e/{FILES}/files/{quote(path, safe='')}", status=200)
        watch.visit(f"/v1/entities/{FILES}/files/{quote(path, safe='')}", strict=False)


def test_checks(watch: Watch, site: str) -> None:
    """Output, exceptions, numbers, formulas and artefacts of checks."""
    checks = httpx.get(f"{site}/v1/checks").json()["checks"]
    assert len(CHECKED) <= len(checks)
    artefacts = 0
    for check in checks:
        watch.visit(f"/{check['name']}", status=200)
        watch.visit(f"/{check['name']}/log", strict=False)
        watch.visit(f"/e/{check['entity'].rpartition('/')[2]}", status=200)
        addresses = links(site, f"/{check['name']}", r'/artefacts/[^"]+')
        artefacts += len(addresses)
        for address in addresses:
            watch.visit(unescape(address), strict=False)
    assert 10 <= artefacts
    for path in ("/checks", "/runs", "/failure-groups", "/entity-overview?runs=all"):
        watch.visit(path, status=200)
    pages = [("/failure-groups", r'/failure-groups/[^"]+'), ("/runs", r'/runs/[^"/]+'),
             ("/revisions", r'/revisions/[^"]+')]  # fmt: skip
    for path, pattern in pages:
        for address in links(site, path, pattern)[:3]:
            watch.visit(unescape(address))


def test_what_is_no_page(watch: Watch, site: str) -> None:
    """Feeds, badges and JSON, opened as documents."""
    for path in ("/feed.atom", "/badge.svg", "/badge.json", "/e/RAISE/badge.svg",
                 "/e/RAISE/feed.atom", f"/badge.svg?label={quote(CORPUS[0].text)}",
                 "/v1/entities", "/v1/checks", "/openapi.json"):  # fmt: skip
        watch.visit(path, strict=False)


def test_proposal(watch: Watch, site: str, project: HostileProject) -> None:
    """A branch, a title, a description, and the lines that it changes."""
    headers = {"origin": site}
    form = {
        "url": str(project.root),
        "branch": BRANCH,
        "title": CORPUS[1].text,
        "description": "\n\n".join(plain(one.text) for one in CORPUS)[:3000],
    }
    odd = httpx.post(f"{site}/merge-requests", data={**form, "branch": ODD}, headers=headers)
    assert 400 == odd.status_code
    assert [] == offences(odd.text)
    answer = httpx.post(f"{site}/merge-requests", data=form, headers=headers, timeout=60)
    assert 303 == answer.status_code, answer.text
    watch.visit("/merge-requests", status=200)
    watch.visit(answer.headers["location"], status=200)


def test_addresses(watch: Watch) -> None:
    """One value of each family as what is looked for; ontology and queries."""
    families = {one.family: one.text for one in CORPUS}
    for text in (*families.values(), *(one.text for one in CORPUS[:4])):
        asked = quote(plain(text))
        for path in (f"/entities?q={asked}", f"/search-sparql?query={asked}"):
            watch.visit(path)
    everything = quote("PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> SELECT * { ?a ?b ?c }")
    for path in ("/ontology/C0", "/ontology/C20", "/ontology?q=script",
                 f"/search-sparql?query={everything}"):  # fmt: skip
        watch.visit(path)
