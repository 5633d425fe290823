"""Parsing `metadata.yml`: tolerant values, exact positions, nothing dangerous."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.domain.metadata.documents import MAX_METADATA_BYTES, Position
from services.catalog.domain.metadata.reading import read_entity
from services.catalog.metadata.parsing import parse_metadata

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


PIECES = [
    *("key: ", "type: ", "name: ", "tag_list:", "- ", "[", "]", "{", "}", ": ", ",", "\n", "\n  "),
    *("'", '"', "&a ", "*a ", "!!str ", "# ", "null", "AAAAA", "1E5", "notebook", ">", "%YAML"),
    *("---", "?", "\t", "é", "<<: *a"),
]
"""What metadata is made of, and what YAML has besides."""


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("key: 28500", "28500"),
        ("key: 93E72", "93E72"),
        ("key: 1E100", "1E100"),
        ("key: 0x1F5", "0x1F5"),
        ("key: 00123", "00123"),
        ("key: 12:34", "12:34"),
        ("key:  79A0X ", "79A0X"),
        ("key: 'CAS0M ' ", "CAS0M "),
        ("key: FALSE", "FALSE"),
        ("---\nkey: AAAAA\n", "AAAAA"),
        ("\ufeffkey: AAAAA", "AAAAA"),
        ("key: null", None),
        ("key: ~", None),
        ("key:", None),
        ("key: ''", ""),
    ],
)
def test_keys_are_text(text: str, key: str | None) -> None:
    """A key is the text as written, also where YAML would make a number or truth value of it."""
    document = parse_metadata(text.encode())
    assert ((), key) == (document.problems, document.values["key"])


def test_references_are_text() -> None:
    """So are the items of lists of references."""
    document = parse_metadata(b"solved_problem_list: [28500, 1E100, AAAAA, '', null]")
    assert ["28500", "1E100", "AAAAA", "", None] == document.values["solved_problem_list"]


def test_other_fields_are_typed() -> None:
    """Unknown fields keep the types of JSON; dates, infinities and huge numbers are text."""
    text = (
        b"other: {a: 1, b: 2.5, c: true, d: null, e: 2022-05-17 14:27:00, f: .inf, "
        b"g: 123456789012345678901234567890, h: 0x10, i: yes, j: [1, x]}\n"
        b"creation_date: 2022-05-17 14:27:00\nversion: 1.10\n"
    )
    document = parse_metadata(text)
    assert {
        "a": 1,
        "b": 2.5,
        "c": True,
        "d": None,
        "e": "2022-05-17 14:27:00",
        "f": ".inf",
        "g": "123456789012345678901234567890",
        "h": "0x10",
        "i": True,
        "j": [1, "x"],
    } == document.values["other"]
    assert "2022-05-17 14:27:00" == document.values["creation_date"]
    assert "1.10" == document.values["version"]


def test_positions() -> None:
    """Values and items of lists know their line and column."""
    document = parse_metadata(b"key: AAAAA\ntag_list:\n    - ''\n    - x\n")
    assert Position(line=1, column=6) == document.position("key")
    assert Position(line=4, column=7) == document.position("tag_list", item=1)
    assert Position() == document.position("name")


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        (b"key: [\n", "yaml-syntax", 2, 1),
        (b"key: A\nname: a: b\n", "yaml-syntax", 2, 8),
        (b"key: A\n\tname: b\n", "yaml-syntax", 2, 1),
        (b"key: A\n--- \nkey: B\n", "yaml-syntax", 2, 1),
        (b"key: A\nname: \x01\n", "yaml-syntax", 2, 7),
        (b"? [a]\n: b\n", "yaml-syntax", 1, 3),
        (b"key: *nowhere\n", "yaml-syntax", 1, 6),
        (b"key: A\nname: caf\xe9\n", "yaml-not-utf8", 2, 10),
        (b"", "yaml-not-a-mapping", 0, 0),
        (b"# nothing\n", "yaml-not-a-mapping", 0, 0),
        (b"- a\n- b\n", "yaml-not-a-mapping", 1, 1),
        (b"just text\n", "yaml-not-a-mapping", 1, 1),
        (b"key: A\nname: !!python/object/apply:os.system [x]\n", "yaml-tag-refused", 2, 7),
        (b"key: !secret A\n", "yaml-tag-refused", 1, 6),
        (b"other: !!set {a, b}\n", "yaml-tag-refused", 1, 8),
        (b"!!omap\n- a: b\n", "yaml-not-a-mapping", 1, 1),
        (BOMB.encode(), "yaml-too-large", 1, 4),
        (b"a: &a\n  b: *a\n", "yaml-too-large", 1, 4),
        (b"a: " + b"[" * 200 + b"]" * 200, "yaml-too-large", 1, 23),
        (b"a: " + b"[" * 5_000, "yaml-too-large", 1, 23),
        (b"a: " + b"[" * 100_000, "yaml-too-large", 0, 0),
        (b"a: 1\n" * 10_001, "yaml-too-large", 0, 0),
        (b"- " * 5_000, "yaml-too-large", 1, 41),
        (b"- " * 100_000, "yaml-too-large", 0, 0),
        (b"key: A\n" + b"? " * 6_000, "yaml-too-large", 2, 41),
        (b"key: " + b"A" * (MAX_METADATA_BYTES + 1), "yaml-too-large", 0, 0),
    ],
)
def test_unusable_documents(content: bytes, code: str, line: int, column: int) -> None:
    """What cannot be read is said with its place; nothing is built, followed or expanded."""
    document = parse_metadata(content)
    assert (False, 1) == (document.usable, len(document.problems))
    problem = document.problems[0]
    assert code == problem.code
    assert (line, column) == (problem.line, problem.column)
    assert problem.message
    assert problem.remedy


def test_a_field_written_twice() -> None:
    """The last one counts, and the first is named."""
    document = parse_metadata(b"key: AAAAA\nname: x\nkey: BBBBB\n")
    assert "BBBBB" == document.values["key"]
    assert [("duplicate-field", 3, "key")] == [
        (problem.code, problem.line, problem.field) for problem in document.problems
    ]
    assert "line 1" in document.problems[0].message


def test_characters_that_databases_refuse() -> None:
    """NUL is replaced; lone surrogates are no YAML."""
    document = parse_metadata(b'name: "a\\0b"\nother: {"k\\0": "\\0"}\n')
    assert "a\N{REPLACEMENT CHARACTER}b" == document.values["name"]
    assert not parse_metadata(b'name: "\\ud800"').usable
    str(document.values).encode()
    assert "\0" not in str(document.values)


def test_aliases_are_fine_in_bounds() -> None:
    """A few aliases are ordinary YAML."""
    document = parse_metadata(b"a: &x [1, 2]\nb: *x\n")
    assert ((), [1, 2]) == (document.problems, document.values["b"])


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.lists(
            st.sampled_from(PIECES),
            max_size=40,
        ).map(lambda parts: "".join(parts).encode()),
    )
)
def test_no_input_crashes_it(content: bytes) -> None:
    """Any bytes give a document, and any document an entity or a problem."""
    document = parse_metadata(content)
    entity, problems = read_entity(document, path="a/b", tree="0" * 40)
    assert entity is not None or problems
    for problem in problems:
        problem.message.encode()


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[A-Z0-9]{5}", fullmatch=True), st.sampled_from(["{}", " {} ", "'{}'"]))
def test_any_key_keeps_its_identity(key: str, style: str) -> None:
    """However a key is written, and whatever YAML thinks it is, it stays itself."""
    text = f"key: {style.format(key)}\ntype: notebook\nname: x\n"
    entity, problems = read_entity(parse_metadata(text.encode()), path="a", tree="0" * 40)
    assert () == problems
    assert entity is not None
    assert key == entity.key
