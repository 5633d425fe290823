"""What TeX says in its log, in one sentence."""

import pytest

from services.runner.runtime.harness import typesetting

UNDEFINED = """This is pdfTeX
(./documentation.tex
LaTeX2e <2022-11-01>
./documentation.tex:12: Undefined control sequence.
l.12 text \\undefinedthing
                         more
./documentation.tex:12:  ==> Fatal error occurred, no output PDF file produced!
"""
PACKAGE = """./documentation.tex:3: Package babel Error: Unknown option 'klingon'.
l.3 \\begin
"""
MISSING = """
! LaTeX Error: File `nothing.sty' not found.

Type X to quit or <RETURN> to proceed,
./main.tex:6: Emergency stop.
<read *>
l.6 \\usepackage
"""
LOST = "! TeX capacity exceeded, sorry [main memory size=5000000].\n"


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (
            UNDEFINED,
            "documentation.tex, line 12: Undefined control sequence (at `text \\undefinedthing`)",
        ),
        (PACKAGE, "documentation.tex, line 3: Unknown option 'klingon' (at `\\begin`)"),
        (MISSING, "main.tex, line 6: File `nothing.sty' not found"),
        (LOST, "TeX capacity exceeded, sorry [main memory size=5000000]"),
        ("all is well\n", ""),
    ],
)
def test_errors_name_file_and_line(log: str, sentence: str) -> None:
    """The first error, as far as the log tells where it is."""
    assert sentence == typesetting.error_of(log)


def test_pages_and_warnings() -> None:
    """How long the document is, and what a reader would miss in it."""
    log = (
        "LaTeX Warning: Citation `KNU' on page 2 undefined on input line 7.\n"
        "LaTeX Warning: Reference `s' on page 1 undefined on input line 3.\n"
        "LaTeX Warning: Reference `s' on page 1 undefined on input line 3.\n"
        "LaTeX Warning: Label(s) may have changed.\n"
        "Output written on main.pdf (12 pages, 3456 bytes).\n"
    )
    assert (
        12,
        [
            "Citation `KNU' is undefined on input line 7",
            "Reference `s' is undefined on input line 3",
        ],
    ) == typesetting.told(log)
    assert (0, []) == typesetting.told("No pages of output.\n")
