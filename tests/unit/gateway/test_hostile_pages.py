"""Nothing that strangers write becomes markup, a foreign address, or a failure."""

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.hostile import VALUES, plain

_ALLOWED = {
    "a", "aside", "b", "blockquote", "body", "br", "button", "circle", "code", "dd", "defs",
    "details", "div", "dl", "dt", "em", "figcaption", "figure", "footer", "form", "g", "h1", "h2",
    "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "iframe", "img", "input", "kbd",
    "label", "li", "link", "main", "mark", "marker", "meta", "nav", "noscript", "ol", "option",
    "p", "path", "pre", "rect", "s", "script", "section", "select", "small", "span", "strong",
    "summary", "svg", "table", "tbody", "td", "text", "textarea", "th", "thead", "time", "title",
    "tr", "ul",
}  # fmt: skip
_OWN_ADDRESS = re.compile(r"(/(?!/)|#|\?|$)")


class _Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.offences: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in _ALLOWED:
            self.offences.append(f"<{tag}>")
        if tag == "script" and not (values.get("src") or "").startswith("/static/"):
            self.offences.append(f"<script> {values}")
        for name, value in attrs:
            if name.startswith("on") or name in {"style", "srcdoc", "formaction", "ping"}:
                self.offences.append(f"{tag} {name}={value}")
            if name in {"src", "data", "action"} and not (value or "").startswith("/"):
                self.offences.append(f"{tag} {name}={value}")
            if name == "href" and not _OWN_ADDRESS.match(value or ""):
                relation = values.get("rel") or ""
                scheme = (value or "").partition(":")[0].lower()
                if scheme not in {"http", "https", "mailto"} or "noopener" not in relation:
                    self.offences.append(f"{tag} href={value}")


def offences(html: str) -> list[str]:
    """Lists elements, handlers and addresses that no page of ours has."""
    reader = _Reader()
    reader.feed(html)
    return reader.offences


def poison(services: FakeServices, value: str) -> str:
    """Puts a value into all that strangers can write; returns the name of a check."""
    value = plain(value)
    entity = services.catalog.entities["UXMFA"]
    for field in ("title", "short_description", "creator", "notes", "version", "estimated_runtime"):
        setattr(entity, field, value)
    entity.tags.extend([value, f"ocse:{value}"])
    entity.metadata.update(
        {value: value, "external_references": [value], "editor_list": [value], "deep": {"x": value}}
    )
    services.catalog.files = [(f"{value}.py", 10), (f"{value}.pdf", 10), ("README.md", 640)]
    services.content.files["README.md"] = ("text/plain", f"# {value}\n\n{value}\n".encode())
    for diagnostic in services.catalog.diagnostics:
        diagnostic.message = diagnostic.remedy = f"{value} `{value}`"
        diagnostic.code = diagnostic.field = diagnostic.path = value
    services.ontology.concepts = [("Root", "", value), ("Leaf", "Root", value)]
    for revision in services.catalog.revisions.values():
        revision.ref = revision.source = revision.title = value
    story = services.scheduler.add("UXMFA", check_pb2.VERDICT_SCRIPT_ERROR)
    story.check.result.message = story.check.result.traceback = value
    story.check.result.remarks.append(value)
    story.check.result.quantities.add(name=value, dtype=value)
    model = story.check.result.description
    for texts in (model.states, model.inputs, model.equations, model.parameter_columns):
        texts.append(value)
    model.parameters.add(name=value, cells=[value, f"${value}$"])
    story.check.result.artefacts.append(services.scheduler.store(b"x", value, "image/png"))
    story.events[0].log.text = value
    _poison_queue(services, value)
    return story.check.name


def _poison_queue(services: FakeServices, value: str) -> None:
    services.queue.furnish()
    services.queue.give_up("LRHZX", value)
    for pause in services.queue.queue.pauses:
        pause.reason = value
    services.queue.queue.pauses.add(pool=value, reason=value)
    services.queue.queue.lines.add(pool=value, environment=f"environments/{value}")
    for runner in services.queue.runners:
        runner.name, runner.host, runner.drain.reason = f"runners/{value}", value, value
        runner.backend = runner.engine_version = value
        runner.environments.add(environment=f"environments/{value}", digest=value)
    for schedule in services.queue.schedules:
        schedule.title = schedule.filter = schedule.last_error = value
    services.queue.schedules[0].cron = value


def addresses_with(value: str) -> list[str]:
    """Lists addresses of pages that take a value from who asks."""
    q = quote(plain(value), safe="")
    return [
        f"/entities?q={q}&type={q}&tag={q}&creator={q}&environment={q}&verdict={q}&concept={q}",
        f"/entities?q={q}",
        f"/entities?tag={q}&creator={q}",
        f"/e/{q}",
        f"/ontology?q={q}",
        f"/ontology/{q}",
        f"/search-sparql?query={q}",
        f"/search-sparql?query=SELECT%20{q}",
        f"/diagnostics?severity={q}&code={q}&page={q}",
        f"/e/UXMFA?revision={q}",
        f"/checks?verdict={q}",
        f"/queue?ask=pause&pool={q}&environment={q}",
        f"/queue?ask=drain&runner={q}",
    ]


@pytest.mark.parametrize("value", VALUES)
async def test_nothing_becomes_markup(
    client: httpx.AsyncClient, services: FakeServices, value: str
) -> None:
    """In every field and every address, a value stays a text, whatever it looks like."""
    check = poison(services, value)
    paths = ["/", "/entities", "/e/UXMFA", f"/{check}", "/checks", "/diagnostics", "/ontology",
             "/queue",
             "/ontology/Leaf", "/revisions", "/revisions/1a2b3c4d..current",
             "/search-sparql?query=SELECT", "/e/B2LQR?revision=1a2b3c4d",
             f"/e/UXMFA/files/{quote(plain(value), safe='')}.py",
             f"/e/UXMFA/files/{quote(plain(value), safe='')}.pdf"]  # fmt: skip
    for path in [*paths, *addresses_with(value)]:
        answer = await client.get(path)
        assert answer.status_code < 500, path
        if answer.headers["content-type"].startswith("text/html"):
            assert [] == offences(answer.text), path


async def test_titles_are_shown_as_written(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """What is escaped is still there for people to read."""
    services.catalog.entities["UXMFA"].title = VALUES[0]
    html = (await client.get("/e/UXMFA")).text

    assert VALUES[0] in unescape(html)


async def test_many_relations(client: httpx.AsyncClient, services: FakeServices) -> None:
    """An entity that everything refers to has a page of bounded size."""
    whole = services.catalog._whole
    edges = [
        catalog_pb2.Relation(
            field="compatible_environment", entity=f"entities/K{n:04}", title=f"Model {n}"
        )
        for n in range(1000)
    ]

    def many(key: str) -> catalog_pb2.Entity:
        entity = whole(key)
        del entity.referrers[:]
        entity.referrers.extend(edges)
        entity.referrer_count = 100_004
        return entity

    services.catalog._whole = many  # type: ignore[method-assign]
    html = (await client.get("/e/ENVD1")).text

    assert len(html) < 200_000
    assert "and 99\u202f993 more" in html
    assert 'href="/entities?environment=demo_environment"' in html
