"""From system models to PDF: each is set by itself, several are joined behind their contents.

Setting each alone keeps the macros of one documentation out of the others, and leaves a page with
the reason where one cannot be set. Pages are numbered through: each knows where it begins.
"""

import asyncio
import contextlib
import posixpath
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.errors import NotFoundError, PreconditionError, ResourceExhaustedError
from services.plans import document_plan
from services.runner.documents import pages, sources
from services.runner.documents.models import Closure, Findings, Models, path_of_table
from services.runner.documents.pages import Part
from services.runner.documents.ports import Catalog, Listener, Member
from services.runner.documents.workshop import (
    JOIN_LIMITS,
    MAXIMUM_DOCUMENT,
    TEX_ENVIRONMENT,
    TEX_LIMITS,
    Workshop,
)
from services.runner.sessions.outcome import Outcome
from services.runner.sessions.session import Limits, Tree

_FOLDER: Final = "document"
_JOINED: Final = "catalogue"
_MOST_WAITING: Final = 8
"""Who asks when so many wait already is sent away: each may take minutes."""


@dataclass(frozen=True, kw_only=True)
class ParameterFile:
    """A parameter table and where it belongs."""

    tex: str
    path: str


@dataclass(frozen=True, kw_only=True)
class _Set:
    """A document that was set."""

    pdf: bytes
    pages: int


class Documents:
    """The use cases of documents. One document at a time: checks come first."""

    def __init__(self, *, catalog: Catalog, models: Models, workshop: Workshop) -> None:
        self._catalog = catalog
        self._models = models
        self._workshop = workshop
        self._turn = asyncio.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def _in_turn(self, listener: Listener) -> AsyncIterator[None]:
        """One after the other. Raises ResourceExhaustedError if too many wait already."""
        if self._waiting >= _MOST_WAITING:
            raise ResourceExhaustedError(
                f"{_MOST_WAITING} others wait for documents already; try again in a few minutes"
            )
        if self._turn.locked():
            listener.progress("waiting for another document")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    async def parameters(self, entity: str, revision: str, listener: Listener) -> ParameterFile:
        """Makes the parameter table of a system model.

        Raises NotFoundError, PreconditionError if there is none or it cannot be made, or
        ResourceExhaustedError if too many wait.
        """
        async with self._in_turn(listener):
            name = await self._catalog.revision(revision)
            closure = await self._models.closure(await self._catalog.member(entity, name), name)
            table = await self._models.table(closure, listener)
        return ParameterFile(tex=table.decode("utf-8", "replace"), path=path_of_table(closure))

    async def render(
        self, entities: Sequence[str], revision: str, listener: Listener, *, plots: bool
    ) -> bytes:
        """Makes the PDF of one system model, or of several as a catalogue.

        Without entities: of all that have a documentation.

        Raises NotFoundError, PreconditionError if TeX refuses the only one, or
        ResourceExhaustedError if the result is too large or too many wait.
        """
        async with self._in_turn(listener):
            name = await self._catalog.revision(revision)
            if entities:
                members = [await self._catalog.member(one, name) for one in entities]
            else:
                members = await self._documented(name)
            if len(members) == 1 and entities:
                closure = await self._models.closure(members[0], name)
                return (await self._one(closure, listener, plots=plots)).pdf
            return await self._catalogue(members, name, listener, plots=plots)

    async def _documented(self, revision: str) -> list[Member]:
        found = [
            member
            for member in await self._catalog.models(revision)
            if sources.documentation_of(await self._models.files(member)) is not None
        ]
        if not found:
            raise NotFoundError("no system model here has a documentation.tex; name models by key")
        return sorted(found, key=lambda member: (member.title.lower(), member.key))

    async def _catalogue(
        self, members: Sequence[Member], revision: str, listener: Listener, *, plots: bool
    ) -> bytes:
        parts: dict[str, Part] = {}
        page, size = 1, 0
        for number, member in enumerate(members):
            listener.progress(f"{member.key}: {member.title}", number / (len(members) + 1))
            closure = await self._models.closure(member, revision)
            made = await self._part(closure, listener, plots=plots, first_page=page)
            size += len(made.pdf)
            if size > MAXIMUM_DOCUMENT:
                raise ResourceExhaustedError(
                    f"the catalogue is larger than {MAXIMUM_DOCUMENT >> 20} MB at {member.key}; "
                    "ask for fewer models, or for one without plots"
                )
            parts[f"part{number + 1}.pdf"] = Part(
                facts=closure.facts, pdf=made.pdf, pages=made.pages, first_page=page
            )
            page += made.pages
        listener.progress("joining all parts", len(members) / (len(members) + 1))
        text = pages.catalogue(
            parts,
            title="System models",
            origin=f"revision {revision.removeprefix('revisions/')[:12]}",
        )
        files = {name: part.pdf for name, part in parts.items()}
        files[f"{_JOINED}.tex"] = text.encode()
        made_of, outcome = await self._set(files, _JOINED, listener, limits=JOIN_LIMITS)
        if made_of is None:
            raise PreconditionError(f"the parts cannot be joined: {outcome.message}")
        return made_of.pdf

    async def _part(
        self, closure: Closure, listener: Listener, *, plots: bool, first_page: int
    ) -> _Set:
        try:
            return await self._one(closure, listener, plots=plots, first_page=first_page)
        except PreconditionError as error:
            listener.warning(error.message)
            text = pages.failed(closure.facts, error.message, first_page=first_page)
            made, outcome = await self._set({"failed.tex": text.encode()}, "failed", listener)
            if made is None:
                raise PreconditionError(outcome.message) from error
            return made

    async def _one(
        self, closure: Closure, listener: Listener, *, plots: bool, first_page: int = 1
    ) -> _Set:
        documentation = sources.documentation_of(closure.own.files)
        findings = await self._models.findings(
            closure, listener, plots=plots, described=documentation is None
        )
        listener.progress(f"{closure.member.key}: setting it")
        if documentation is None:
            files, main = _generated(closure, findings, first_page=first_page)
            place = ""
        else:
            main = documentation.main
            place = posixpath.join(closure.member.path, documentation.folder) + "/"
            files = sources.composed(
                sources.contents(closure.tar, documentation.folder),
                documentation,
                plots=findings.plots,
                notice=pages.notice(closure.facts),
                parameters=findings.table,
                first_page=first_page,
            )
        made, outcome = await self._set(files, main, listener)
        for warning in outcome.warnings:
            listener.warning(f"{closure.member.key}: {warning}")
        if made is None:
            known = f"{main}.tex, line " in outcome.message
            message = f"{place if known else ''}{outcome.message}"
            raise PreconditionError(f"TeX refuses {closure.member.key}: {message}")
        return made

    async def _set(
        self,
        files: dict[str, bytes],
        main: str,
        listener: Listener,
        *,
        limits: Limits | None = None,
    ) -> tuple[_Set | None, Outcome]:
        """Runs TeX; without a document the outcome's message says why."""
        done = await self._workshop.run(
            self._workshop.environment(TEX_ENVIRONMENT),
            document_plan(_FOLDER, main=main),
            trees=[Tree(path=_FOLDER, tar=sources.archive(files))],
            limits=limits or TEX_LIMITS,
            progress=listener.progress,
        )
        pdf = done.files.get(f"{_FOLDER}/{main}.pdf", b"")
        if not done.succeeded or not pdf.startswith(b"%PDF-"):
            return None, done.outcome
        counted = [number for number in done.outcome.numbers if number.name == "pages"]
        number_of_pages = int(counted[0].data[0]) if counted else 1
        return _Set(pdf=pdf, pages=max(1, min(number_of_pages, 100_000))), done.outcome


def _generated(
    closure: Closure, findings: Findings, *, first_page: int
) -> tuple[dict[str, bytes], str]:
    pictures = sources.pictures(findings.plots)
    text = pages.without_documentation(
        closure.facts,
        findings.description,
        table=findings.table is not None,
        pictures=list(pictures),
        first_page=first_page,
    )
    files = {"model.tex": text.encode(), **pictures}
    if findings.table is not None:
        files[sources.PARAMETERS] = findings.table
    return files, "model"
