"""Documents, made by real TeX in real containers."""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from services.errors import NotFoundError, PreconditionError, ResourceExhaustedError
from services.runner.documents import workshop
from services.runner.sessions.session import Limits
from tests.backends import containers
from tests.document_builders import Heard, documents_of, model, text_of
from tests.requirements import need

pytestmark = pytest.mark.engine

READABLE = shutil.which("pdftotext")


async def test_a_documented_model_becomes_a_pdf(tmp_path: Path) -> None:
    """Its own text, the parameter table of now, and the plots of a run are in it."""
    need(READABLE, what="pdftotext (Debian: poppler-utils)")
    stale = {"_data__parameters_dot_tex": "stale", "_data__documentation_dot_pdf": "no PDF"}
    entities = {
        "MODEL": model("one", body="See Section~\\ref{s}.\\section{Last}\\label{s}", **stale)
    }
    heard = Heard()
    async with documents_of(tmp_path, entities, backend=containers()) as documents:
        pdf = await documents.render(["entities/MODEL"], "", heard, plots=True)
    text = text_of(pdf, tmp_path)
    assert [] == heard.warnings
    assert "Hello of one" in text
    assert "time constant" in text
    assert "stale" not in text
    assert "Simulation" in text
    assert "See Section 1." in text  # references have settled
    assert b"/Image" in pdf


async def test_a_model_without_documentation_gets_a_page(tmp_path: Path) -> None:
    """Title, key, description, equations and table, with the signs of TeX shown as they are."""
    need(READABLE, what="pdftotext (Debian: poppler-utils)")
    files = model()
    del files["_data/documentation.tex"]
    heard = Heard()
    async with documents_of(tmp_path, {"MODEL": files}, backend=containers()) as documents:
        pdf = await documents.render(["entities/MODEL"], "", heard, plots=False)
        with pytest.raises(NotFoundError, match="documentation"):
            await documents.render([], "", Heard(), plots=False)
    text = text_of(pdf, tmp_path)
    assert [] == heard.warnings
    for words in ("Model MODEL", "50 % of it & more", "Model equations", "gain", "Range"):
        assert words in text
    assert "Simulation" not in text


async def test_a_catalogue_joins_models(tmp_path: Path) -> None:
    """Contents with pages, numbered through; one that TeX refuses is a page that says why."""
    need(READABLE, what="pdftotext (Debian: poppler-utils)")
    entities = {
        "AAAAA": model("first", body="\\newpage two pages"),
        "BBBBB": model("second", body="\\undefinedthing"),
        "CCCCC": model("third", body="\\newcommand{\\x}{shown by x} \\x"),
    }
    heard = Heard()
    async with documents_of(tmp_path, entities, backend=containers()) as documents:
        pdf = await documents.render([], "", heard, plots=False)
    pages = text_of(pdf, tmp_path).split("\f")
    contents = [line.split() for line in pages[0].splitlines() if "(" in line]
    assert [("(AAAAA)", "1"), ("(BBBBB)", "3"), ("(CCCCC)", "4")] == [
        (next(word for word in line if "(" in word), line[-1]) for line in contents
    ]
    assert ["1", "2", "3", "4"] == [page.split()[-1] for page in pages[1:5]]
    assert "could not be set" in pages[3]
    assert "shown by x" in pages[4]
    assert [
        (
            "TeX refuses BBBBB: system_models/bbbbb/_data/documentation.tex, line 6: "
            "Undefined control sequence (at `\\undefinedthing`)"
        )
    ] == heard.warnings


async def test_parameter_tables(tmp_path: Path) -> None:
    """The table is where the documentation is; what has none says so, with file and line."""
    need(READABLE, what="pdftotext (Debian: poppler-utils)")
    without = model(parameters_dot_py="# none")
    broken = model(parameters_dot_py="import sympy\n1 / 0\n")
    missing = model()
    del missing["parameters.py"]
    entities = {"GOODY": model(), "NONEE": without, "BROKE": broken, "LACKS": missing}
    async with documents_of(tmp_path, entities, backend=containers()) as documents:
        made = await documents.parameters("entities/GOODY", "", Heard())
        for key, words in (
            ("NONEE", "NONEE has no parameter table: parameters.py defines no parameters"),
            ("LACKS", "LACKS has no parameter table: there is no parameters.py"),
            ("BROKE", r"ZeroDivisionError: .* \(system_models/broke/parameters.py, line 2\)"),
        ):
            with pytest.raises(PreconditionError, match=words):
                await documents.parameters(f"entities/{key}", "", Heard())
        with pytest.raises(NotFoundError):
            await documents.parameters("entities/ZZZZZ", "", Heard())
        heard = Heard()
        pdf = await documents.render(["entities/BROKE"], "", heard, plots=False)
    assert "system_models/goody/_data/parameters.tex" == made.path
    assert made.tex.startswith("\\begin{tabular}{lcll}")
    assert r"& $\tau_{0}$ & $\frac{1}{3}$ & -" in " ".join(made.tex.split())
    assert "(no parameter table)" in text_of(pdf, tmp_path)
    assert "ZeroDivisionError" in heard.warnings[0]


HOSTILE = {
    "write18": (
        (
            r"\immediate\write18{touch escaped; echo gone > documentation.pdf}"
            r"\IfFileExists{escaped}{ESCAPED}{kept in}"
        ),
        "kept in",
    ),
    "openout": (
        r"\newwrite\w\immediate\openout\w=/tmp/outside.txt\immediate\write\w{x}",
        "refused",
    ),
    "openout-parent": (
        r"\newwrite\w\immediate\openout\w=../outside.txt\immediate\write\w{x}",
        "refused",
    ),
    "passwd": (r"\input{/etc/passwd}", "refused"),
    "open-quietly": (
        r"\newread\r\openin\r=/proc/self/environ \ifeof\r closed\else\read\r to\x LEAKED\fi",
        "closed",
    ),
    "pipe": (r"\input{|id}", "refused"),
    "picture": (r"\pdfximage{/etc/passwd}", "refused"),
    "dump": (r"\message{x}\pdffiledump length 16 {/etc/passwd}.", "kept out|Hello"),
    "size": (r"[\pdffilesize{/etc/passwd}][\pdfmdfivesum file {/etc/passwd}]", "[][]"),
    "loop": (r"\def\x{\x}\x", "not finished after"),
    "pages": (r"\loop\hbox{x}\newpage\iftrue\repeat", "not finished|too large|exceeded"),
    "memory": (r"\def\x{a\x b}\edef\y{\x}", "capacity exceeded"),
    "log": (r"\def\x{\message{flood}\x}\x", "not finished|too large|exceeded"),
    "file": (
        (
            r"\newwrite\w\immediate\openout\w=big.txt"
            r"\def\x{\immediate\write\w{xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}\x}\x"
        ),
        "not finished|too large|exceeded",
    ),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
async def test_hostile_tex_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It reads and writes its own folder alone, ends within its limits, and the next one works."""
    need(READABLE, what="pdftotext (Debian: poppler-utils)")
    body, words = HOSTILE[name]
    small = Limits(wall_seconds=4, cpu_seconds=20, memory_bytes=512 << 20, file_bytes=8 << 20)
    entities = {"EVILL": model("evil", body=body), "GOODY": model("good")}
    async with documents_of(tmp_path, entities, backend=containers()) as documents:
        # TeX and its environment are ready: what follows is the document's own time.
        await documents.render(["entities/GOODY"], "", Heard(), plots=False)
        monkeypatch.setattr("services.runner.documents.rendering.TEX_LIMITS", small)
        started = time.monotonic()
        async with asyncio.timeout(60):
            try:
                pdf = await documents.render(["entities/EVILL"], "", Heard(), plots=False)
                said = text_of(pdf, tmp_path)
            except PreconditionError as error:
                said = f"refused: {error.message}"
        elapsed = time.monotonic() - started
        monkeypatch.undo()
        after = await documents.render(["entities/GOODY"], "", Heard(), plots=False)
    assert any(word in said for word in words.split("|")), said
    for leaked in ("root:", "ESCAPED", "LEAKED", "uid="):
        assert leaked not in said
    assert elapsed < 20
    assert "Hello of good" in text_of(after, tmp_path)


async def test_tex_can_embed_what_checks_can_read(tmp_path: Path) -> None:
    """TeX's own rules do not hold for streams of objects; the confinement of a check does."""
    embed = r"\pdfcompresslevel=0 \immediate\pdfobj stream file {%s} "
    entities = {
        "EVILL": model("evil", body=embed % "/proc/self/environ"),
        "OTHER": model("other", body=embed % "/proc/1/environ"),
        "SHADO": model("shadow", body=embed % "/etc/shadow"),
    }
    async with documents_of(tmp_path, entities, backend=containers()) as documents:
        pdf = await documents.render(["entities/EVILL"], "", Heard(), plots=False)
        for key in ("OTHER", "SHADO"):
            with pytest.raises(PreconditionError, match="not found"):
                await documents.render([f"entities/{key}"], "", Heard(), plots=False)
    names = {line.partition(b"=")[0] for line in pdf.split(b"endstream")[0].split(b"\0")}
    assert b"ACKREP_CONTEXT" in names
    for word in (b"TOKEN", b"SECRET", b"PASSWORD", b"DOCKER"):
        assert not any(word in name for name in names)


async def test_only_so_many_wait(tmp_path: Path) -> None:
    """Documents are made one after the other; who would wait behind many is sent away at once."""
    async with documents_of(tmp_path, {"GOODY": model()}, backend=containers()) as documents:

        def ask() -> asyncio.Task[object]:
            return asyncio.create_task(documents.parameters("entities/GOODY", "", Heard()))

        asked = [ask() for _ in range(9)]  # one at work, eight wait
        async with asyncio.timeout(5):
            with pytest.raises(ResourceExhaustedError, match="others wait"):
                await ask()
        for task in asked[1:]:
            task.cancel()
        await asyncio.wait(asked)
        assert (
            "system_models/goody/_data/parameters.tex"
            == (await documents.parameters("entities/GOODY", "", Heard())).path
        )
    assert asked[0].exception() is None


def test_limits_of_tex_are_finite() -> None:
    """Every limit that setting a document has is set."""
    limits = workshop.TEX_LIMITS
    assert 0 < limits.wall_seconds <= 120
    assert 0 < limits.memory_bytes <= 2 << 30
    assert 0 < limits.file_bytes <= workshop.MAXIMUM_DOCUMENT
