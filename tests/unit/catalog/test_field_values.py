"""Dates, durations, versions and addresses: what people write is understood, the rest is told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.entities import EntityType
from services.catalog.domain.metadata.field_values import (
    CHECKS,
    ITEM_CHECKS,
    is_date,
    iso_date,
    seconds,
)
from services.catalog.domain.metadata.reading import read_entity
from services.catalog.domain.metadata.schema import FIELDS_OF, FORMER_NAMES, SCHEMA
from services.catalog.metadata.parsing import parse_metadata


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-05-17", "2022-05-17"),
        ("20220517", "2022-05-17"),
        ("2022-05-17 14:27:00", "2022-05-17T14:27:00"),
        ("2022-05-17T14:27:00Z", "2022-05-17T14:27:00+00:00"),
        ("2022-5-7 4:27:00", "2022-05-07T04:27:00"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.100000-05:00"),
        ("2001-12-14 21:59:43.10 -5", "2001-12-14T21:59:43.100000-05:00"),
        ("29.08.2022", "2022-08-29"),
        ("1.2.2020", "2020-02-01"),
    ],
)
def test_dates(text: str, expected: str) -> None:
    """Dates as ISO, YAML and Germans write them become ISO 8601."""
    assert (True, expected) == (is_date(text), iso_date(text))


@pytest.mark.parametrize("text", ["2022", "2022-05"])
def test_less_than_a_date(text: str) -> None:
    """A year or month is fine, and stays as it is."""
    assert (True, text) == (is_date(text), iso_date(text))


@pytest.mark.parametrize(
    "text",
    ["", "today", "31.6.2022", "2022-13", "2022-02-30", "05/17/2022", "1", "2022-05-17 25:00:00"],
)
def test_no_dates(text: str) -> None:
    """Anything else is no date, and stays as it is."""
    assert (False, text) == (is_date(text), iso_date(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10),
        ("10", 10),
        ("1.5 h", 5400),
        ("2min", 120),
        ("2 Minutes", 120),
        ("250ms", 0.25),
        ("00:01:30", 90),
        ("1:30", 90),
        ("100:00:00", 360_000),
        ("1d", 86_400),
        ("quick", None),
        ("10 apples", None),
        ("-1s", None),
        ("1:3", None),
        ("", None),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    """Seconds, with any usual unit or as a clock."""
    assert expected == seconds(text)


@given(st.text(max_size=100))
def test_any_text_can_be_looked_at(text: str) -> None:
    """No check fails, whatever is written."""
    for check in {*CHECKS.values(), *ITEM_CHECKS.values()}:
        found = check(text)
        assert found is None or (found.message and found.remedy)
    assert iso_date(text)[:1] == text[:1] or is_date(text)
    assert seconds(text) is None or math.isfinite(seconds(text) or 0)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("tag_lst", "misspelled-field", "did you mean tag_list?"),
        ("Tag-List", "misspelled-field", "did you mean tag_list?"),
        ("tags", "misspelled-field", "did you mean tag_list?"),
        ("notebook-file", "misspelled-field", "did you mean notebook_file?"),
        ("nam", "unknown-field", "nothing"),  # `name` is there
        ("colour", "unknown-field", "nothing"),
        ("x" * 500, "unknown-field", "nothing"),
        ("solution_file", "foreign-field", "remove it"),
        ("compatible_environment_list", "foreign-field", "did you mean compatible_environment?"),
    ],
)
def test_names_of_fields(name: str, code: str, words: str) -> None:
    """Names that are not known are told, with the one that was meant if there is one."""
    lines = f"key: AAAAA\ntype: notebook\nname: x\n{name}: y\n"
    _, problems = read_entity(parse_metadata(lines.encode()), path="a", tree="0" * 40)
    found = [one for one in problems if one.code != "wrong-field-type"]

    assert [(code, 4, 1)] == [(one.code, one.line, one.column) for one in found]
    assert words in found[0].remedy


def test_problems_of_a_file_are_bounded() -> None:
    """A file in which everything is wrong tells some of it, errors first, and how much more."""
    lines = "type: nothing\nname: x\neditor_list:\n" + "- '<'\n" * 400
    _, problems = read_entity(parse_metadata(lines.encode()), path="a", tree="0" * 40)

    assert ["missing-key", "unknown-type", "unmatched-bracket"] == [
        one.code for one in problems[:3]
    ]
    assert ("too-many-problems", 51) == (problems[-1].code, len(problems))
    assert "352 more" in problems[-1].message


def test_the_schema_fits_together() -> None:
    """Every type has the common fields, and older names lead to real ones."""
    common = {name for name, field in SCHEMA.items() if len(field.types) == len(EntityType)}

    assert {"key", "type", "name"} == {name for name, field in SCHEMA.items() if field.required}
    assert all(common <= fields for fields in FIELDS_OF.values())
    assert set(FORMER_NAMES.values()) <= SCHEMA.keys()
    assert not set(FORMER_NAMES) & SCHEMA.keys()
