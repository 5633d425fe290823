"""Each row of the table of bad input is tried, and says what it is to say."""

import pytest

from services.catalog.domain.codes import CODES
from tests.unit.catalog.bad_input import SECTIONS, Case, said

CASES = [case for cases in SECTIONS.values() for case in cases]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.tried)
def test_bad_input_is_explained(case: Case) -> None:
    """The right codes, words and remedies, and a good entity beside it is found all the same."""
    diagnostics, good = said(case)

    assert list(case.codes) == [one.code for one in diagnostics]
    assert good
    assert all(one.message and one.remedy for one in diagnostics)
    assert all(one.line >= 1 or one.column == 0 for one in diagnostics)


def test_every_code_is_tried() -> None:
    """No code of metadata is without a row, but those for which a revision alone is not enough."""
    elsewhere = {"missing-content", "submodule-ignored", "unreadable-file", "too-many-problems"}
    codes = {code for code in CODES if not code.startswith("ontology-") and code != "unknown-tag"}

    assert codes - elsewhere == {code for case in CASES for code in case.codes}
