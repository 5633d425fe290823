"""The quick way to read metadata gives what the careful one gives, or leaves the file to it."""

import timeit
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.catalog.domain.metadata.schema import LISTS, SCHEMA
from services.catalog.metadata.parsing import locate, parse_carefully, parse_metadata
from services.catalog.metadata.quick import quick_values

DEMO = Path(__file__).parents[3] / "examples/demo_data"
COMMON = """\
key:  79A0X
predecessor_key: ''
type: problem_solution
name: 'Swing up of the Acrobot'
short_description: ''
version: 0.1.0
tag_list:
    - 'acrobot'
    - ocse:Swing_Up
creator: 'A. Student <a.student{ä}example.org>'
editor_list:
    - ''
creation_date: 2022-05-17 14:27:00
external_references:
notes: >
    One line,
    and one more: it's fine.
solved_problem_list:
    - 4ZZ9J
method_package_list: ['']
compatible_environment: ""
estimated_runtime: '10s'
solution_file: solution.py
"""

SIGNS = st.one_of(
    st.text(max_size=20),
    st.text("ab01.-:_ \n'\"#&*!%[]{},>|?\\~=<\t\xe4\x85\u2028\ufeff\0", max_size=20),
    st.sampled_from(
        ["null", "~", "1", "1e5", "93E72", "yes", "0x1F", "1_0", "1:30", "<<", "=", ""]
    ),
    st.sampled_from(["2022-05-17", "- a", "a: b", "&a b", "*a", "!x y", "%x", "---", "...", "?"]),
)
STYLES = st.sampled_from(
    ["{}", "'{}'", '"{}"', ">\n    {}", "|\n  {}", "[{}]", "\n    - {}", "\n- {}"]
)
NAMES = st.sampled_from([*SCHEMA, "other", "key "])
FILES = st.lists(st.tuples(NAMES, STYLES, SIGNS), max_size=6).map(
    lambda lines: "".join(f"{name}: {style.format(text)}\n" for name, style, text in lines)
)


@settings(max_examples=1_500, deadline=None)
@given(FILES, st.sampled_from(["", "---\n", "# x\n", "\n", "\ufeff", "%YAML 1.1\n---\n"]))
@example("name: <<\n", "")
@example("name: 'a\nb: c'\n", "")
@example("notes: 'a\nb'\n", "")
@example("tag_list:\n- a\nname: b\n--- \n", "")
@example('name: "\\0"\n', "")
@example("name: a\n...\nkey: b\n", "")
def test_both_ways_agree(text: str, begin: str) -> None:
    """Values, problems and positions are the same, whatever the file."""
    content = (begin + text).encode("utf-8", "surrogatepass")
    quick, careful = parse_metadata(content), parse_carefully(content)

    assert careful == quick
    if careful.locate is not None:
        assert careful.locate() == locate(content)


def test_demo_files_are_read_quickly() -> None:
    """Every file of the demo repository is in the common form, and gives the same both ways."""
    contents = [path.read_bytes() for path in sorted(DEMO.rglob("metadata.yml"))]

    assert contents
    for content in contents:
        careful = parse_carefully(content)
        assert careful.values == quick_values(content)
        assert careful == parse_metadata(content)


@pytest.mark.parametrize(
    "line",
    [
        *("key: 28500", "key: 93E72", "version: 1.10", "name: true", "name: .inf", "name: 0x1F"),
        *("name: &a b", "name: *a", "name: !!str b", "name: ! b", "tag_list: [&a b]"),
        *("name: a\nname: b", "other: a", "name: {a: b}", "tag_list: [[a]]", "tag_list: [{a: b}]"),
        *(
            "name: a\tb",
            "name: a\r",
            "name: a\x7f",
            "name: '\x85'",
            "name: '\u2028'",
            "name: \u202e",
        ),
        *('name: "\\0"', 'name: "\\x1b"', 'name: "\\u202e"', "notes: 'a\nb'", "name: [", "- a", ""),
        *(
            "%YAML 1.1\n---\nname: a",
            "--- {name: a}",
            "name: a\n---\nname: b",
            "name: a\n...",
            "\xff",
        ),
    ],
)
def test_what_is_not_common_is_read_carefully(line: str) -> None:
    """Whatever the two parsers may see differently is left to the careful one."""
    assert quick_values(line.encode("latin-1" if line == "\xff" else "utf-8")) is None


def test_common_files_are_read_quickly() -> None:
    """A file as real repositories have it takes the quick way, which is much quicker."""
    content = COMMON.encode()
    careful = parse_carefully(content)

    assert careful.values == quick_values(content)
    quick = min(timeit.repeat(lambda: parse_metadata(content), number=20, repeat=5))
    assert quick < min(timeit.repeat(lambda: parse_carefully(content), number=20, repeat=5)) / 2


def test_positions_are_found_when_asked_for() -> None:
    """Nobody who does not ask pays for positions, and who asks gets the right ones."""
    document = parse_metadata(COMMON.encode())
    texts = COMMON.splitlines()

    for name in SCHEMA:
        position = document.position(name)
        if name in document.values:
            assert texts[position.line - 1].startswith((f"{name}:", "    - "))
            assert texts[document.name_position(name).line - 1].startswith(f"{name}:")
            assert SCHEMA[name].kind in LISTS or position == document.position(name, item=0)
        else:
            assert position.line == 0
