"""TeX sources of documents: found, composed, and written, without running TeX."""

import pytest

from services.runner.documents import pages, sources
from services.runner.documents.pages import Facts, Part
from services.runner.documents.sources import Documentation
from services.runner.sessions.outcome import Description

FACTS = Facts(key="ABCDE", title="50% & more_of {it}", description="")
DOCUMENTATION = Documentation(folder="_data", name="documentation.tex")
TEX = b"""% \\begin{document} in a comment
\\documentclass{article}
\\begin{document}
% \\begin{thebibliography}{1}
text
\\begin{thebibliography}{1}
\\end{thebibliography}
\\end{document}
"""


@pytest.mark.parametrize(
    ("files", "found", "table"),
    [
        (["_data/documentation.tex"], "_data/documentation.tex", "_data"),
        (["_system_model_data/dokumentation.tex"], "_system_model_data/dokumentation.tex", None),
        (
            ["_data/documentation.tex", "_system_model_data/documentation.tex"],
            "_system_model_data/documentation.tex",
            None,
        ),
        (["_data/plot.png"], "", "_data"),
        (["documentation.tex", "_data/other.tex"], "", "_data"),
        ([], "", None),
    ],
)
def test_documentation_is_found(files: list[str], found: str, table: str | None) -> None:
    """Both folders and spellings of 2022 are known; the table lies with the documentation."""
    documentation = sources.documentation_of(files)
    place = f"{documentation.folder}/{documentation.name}" if documentation else ""
    assert found == place
    assert (table or "_system_model_data") == sources.folder_of_parameters(files)


def composed(tex: bytes = TEX, **files: bytes) -> dict[str, bytes]:
    """A documentation with a plot, before which the files stood beside it."""
    return sources.composed(
        {"documentation.tex": tex, "documentation.pdf": b"old", "picture.pdf": b"kept", **files},
        DOCUMENTATION,
        plots={"a/odd name.PNG": b"png"},
        notice="a notice",
        parameters=b"table",
        first_page=7,
    )


def test_what_we_add_keeps_lines_as_they_are() -> None:
    """Plots come before the references, and TeX's line numbers stay those of the entity's file."""
    made = composed()
    source = made["documentation.tex"]
    assert TEX.count(b"\n") == source.count(b"\n")
    lines = source.split(b"\n")
    assert b"% \\begin{document} in a comment" == lines[0]
    assert b"\\input{ackrep_preamble.tex}\\begin{document}" == lines[2]
    assert b"\\input{ackrep_simulation.tex}\\begin{thebibliography}{1}" == lines[5]
    assert b"{ackrep_plot_1.png}" in made["ackrep_simulation.tex"]
    assert b"png" == made["ackrep_plot_1.png"]
    assert b"\\setcounter{page}{7}" in made["ackrep_preamble.tex"]
    assert (b"table", b"kept") == (made["parameters.tex"], made["picture.pdf"])
    assert "documentation.pdf" not in made


def test_without_references_plots_come_last() -> None:
    """They stand before the end of the document."""
    source = composed(b"\\begin{document}\nx\n  \\end{document} rest\n")["documentation.tex"]
    assert b"  \\input{ackrep_simulation.tex}\\end{document} rest" in source


def test_a_table_that_cannot_be_made_leaves_the_committed_one() -> None:
    """Without one a line stands in its place, so that the rest can be set."""

    def parameters(**files: bytes) -> bytes:
        made = sources.composed(
            {"documentation.tex": TEX, **files},
            DOCUMENTATION,
            plots={},
            notice="",
            parameters=None,
        )
        assert "ackrep_simulation.tex" not in made
        return made["parameters.tex"]

    assert b"old" == parameters(**{"parameters.tex": b"old"})
    assert b"no parameter table" in parameters()


def test_archives_come_back() -> None:
    """Files of a folder survive the way into an archive and out of it."""
    files = {"_data/a.tex": b"a", "_data/sub/b.png": b"b", "other/c": b"c", "_database": b"d"}
    found = sources.contents(sources.archive(files), "_data")
    assert {"a.tex": b"a", "sub/b.png": b"b"} == found


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b & 5 % of {x} $y$ #1 ^~", r"a\_b \& 5 \% of \{x\} \$y\$ \#1 \textasciicircum{}"),
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("two\nlines  apart", "two lines apart"),
        ("Müller, 控制 theory", "Müller, ?? theory"),
    ],
)
def test_texts_are_shown_as_they_are(text: str, tex: str) -> None:
    """Nothing in metadata is a command."""
    assert pages.escaped(text).startswith(tex)


def test_a_page_without_documentation_says_what_is_known() -> None:
    """Equations, table and plots, each only where there is one."""
    description = Description(
        states=("x_{1}", "x_{2}"),
        inputs=(),
        equations=(r"\dot{x}_{1} = x_{2}",),
        columns=(),
        parameters=(),
    )
    full = pages.without_documentation(
        FACTS, description, table=True, pictures=["ackrep_plot_1.png"], first_page=3
    )
    bare = pages.without_documentation(FACTS, None, table=False, pictures=[])
    for words in (
        r"\part*{50\% \& more\_of \{it\}}",
        r"x &= (x_{1},\ x_{2})^{T}",
        r"u &= \emptyset",
        r"$\displaystyle \dot{x}_{1} = x_{2}$",
        r"\input{parameters.tex}",
        r"\section{Simulation}",
        r"\setcounter{page}{3}",
    ):
        assert words in full
    assert "\\section" not in bare


def test_a_catalogue_lists_its_parts() -> None:
    """Each part begins at its page and stands in the contents with title and key."""
    part = Part(facts=FACTS, pdf=b"", pages=2, first_page=5)
    text = pages.catalogue({"part1.pdf": part}, title="System models", origin="revision 1")
    entry = r"addtotoc={1,part,0,{50\% \& more\_of \{it\} (ABCDE)},keyABCDE}"
    assert f"\\setcounter{{page}}{{5}}\n\\includepdf[pages=-,{entry}]{{part1.pdf}}" in text
