"""TeX that we write ourselves: pages of models without a documentation, and the catalogue. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.runner.documents.sources import PARAMETERS, simulation
from services.runner.sessions.outcome import Description

_SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": "'",
}
_LACKING: Final = re.compile(
    r"[^\x20-\x7e\xc0-\xcf\xd1-\xd6\xd8-\xdd\xdf-\xef\xf1-\xf6\xf8-\xfd\xff]"
)
"""What the fonts of a plain document lack: all but ASCII and accented Latin letters."""
_PACKAGES: Final = r"""\documentclass[10pt,a4paper]{article}
\usepackage[english]{babel}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage{amsmath,amssymb}
\usepackage{graphicx}
"""
_FITTED: Final = (
    "\\newcommand{\\fitted}[1]{\\resizebox{"
    "\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{#1}}\n"
)
"""As wide as it is, and no wider than the page."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the catalog knows of a model."""

    key: str
    title: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """One model in a catalogue of several."""

    facts: Facts
    pdf: bytes
    pages: int
    first_page: int


def escaped(text: str) -> str:
    """The text as TeX shows it; signs that its fonts lack become `?`."""
    plain = _LACKING.sub("?", " ".join(text.split()))
    return "".join(_SPECIAL.get(sign, sign) for sign in plain)


def notice(facts: Facts) -> str:
    """Says where a document comes from; older documentations read it as `notice.tex`."""
    return (
        f"This document was made by ACKREP from the system model {facts.key}, "
        f"{escaped(facts.title)}.\n"
    )


def without_documentation(
    facts: Facts,
    description: Description | None,
    *,
    table: bool,
    pictures: Sequence[str],
    first_page: int = 1,
) -> str:
    """The page of a model that has no documentation of its own."""
    parts = [
        _PACKAGES,
        _FITTED,
        "\\begin{document}\n",
        f"\\setcounter{{page}}{{{first_page}}}\n",
        _heading(facts),
        f"{escaped(facts.description)}\n" if facts.description else "",
        _equations(description) if description is not None else "",
    ]
    if table:
        parts.append(f"\\section{{Parameters}}\n\\noindent\\fitted{{\\input{{{PARAMETERS}}}}}\n")
    if pictures:
        parts.append(simulation(pictures))
    parts.append("\\end{document}\n")
    return "".join(parts)


def failed(facts: Facts, reason: str, *, first_page: int) -> str:
    """Stands in a catalogue in place of a documentation that TeX refuses."""
    return "".join(
        [
            _PACKAGES,
            "\\begin{document}\n",
            f"\\setcounter{{page}}{{{first_page}}}\n",
            _heading(facts),
            f"\\noindent This documentation could not be set. {escaped(reason)}\n",
            "\\end{document}\n",
        ]
    )


def _heading(facts: Facts) -> str:
    return (
        f"\\part*{{{escaped(facts.title)}}}\n\\noindent ACKREP key: \\texttt{{{facts.key}}}\n\n"
        "\\medskip\\noindent\n"
    )


def _equations(description: Description) -> str:
    vectors = [_vector("x", description.states), _vector("u", description.inputs)]
    lines = [
        "\\section{Model equations}\n",
        "\\begin{align*}\n" + " \\\\\n".join(vectors) + "\n\\end{align*}\n",
    ]
    lines += [
        f"\\[\\fitted{{$\\displaystyle {equation}$}}\\]\n" for equation in description.equations
    ]
    if not description.equations:
        lines.append("The equations cannot be told in closed form.\n")
    return "".join(lines)


def _vector(name: str, symbols: Sequence[str]) -> str:
    if not symbols:
        return f"{name} &= \\emptyset"
    listed = ",\\ ".join(symbols)
    return f"{name} &= ({listed})^{{T}}"


def catalogue(parts: Mapping[str, Part], *, title: str, origin: str) -> str:
    """The document that joins PDFs of models behind a table of contents.

    Args:
        parts: by the name of their file, in order.
        title: of the whole.
        origin: from which state of which repository.
    """
    included = "".join(
        f"\\setcounter{{page}}{{{part.first_page}}}\n"
        f"\\includepdf[pages=-,addtotoc={{1,part,0,{{{_entry(part.facts)}}},key{part.facts.key}}}]"
        f"{{{name}}}\n"
        for name, part in parts.items()
    )
    return "".join(
        [
            _PACKAGES,
            "\\usepackage{pdfpages}\n\\usepackage[hidelinks]{hyperref}\n",
            "\\makeatletter\n",
            "\\renewcommand{\\l@part}{\\@dottedtocline{0}{0em}{0em}}\n",
            "\\makeatother\n",
            f"\\title{{{escaped(title)}}}\n\\author{{}}\n\\date{{{escaped(origin)}}}\n",
            "\\begin{document}\n\\pagenumbering{roman}\n\\maketitle\n\\tableofcontents\n",
            "\\clearpage\n\\pagenumbering{arabic}\n",
            included,
            "\\end{document}\n",
        ]
    )


def _entry(facts: Facts) -> str:
    return f"{escaped(facts.title)} ({facts.key})"
