"""How answers of queries are shown and written."""

from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from ackrep.catalog.v1 import ontology_pb2 as pb
from cli import documents
from cli.commands import sparql as command
from cli.main import ackrep

XSD = "http://www.w3.org/2001/XMLSchema#"
ENTITY = pb.Term(
    kind=pb.Term.KIND_IRI, value="https://x.org/#AAAAA", entity="entities/AAAAA", label="A b"
)
CONCEPT = pb.Term(
    kind=pb.Term.KIND_IRI, value="https://x.org/#C_d", concept="concepts/C_d", label="C d"
)


def literal(value: str, datatype: str = "", language: str = "") -> pb.Term:
    """A literal."""
    return pb.Term(
        kind=pb.Term.KIND_LITERAL,
        value=value,
        datatype=datatype and XSD + datatype,
        language=language,
    )


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (ENTITY, "AAAAA  A b"),
        (CONCEPT, "C_d"),
        (pb.Term(kind=pb.Term.KIND_IRI, value="http://www.w3.org/2002/07/owl#Class"), "owl:Class"),
        (pb.Term(kind=pb.Term.KIND_IRI, value="https://x.org/#p"), "https://x.org/#p"),
        (pb.Term(kind=pb.Term.KIND_BLANK_NODE, value="b1"), "_:b1"),
        (literal("5", "integer"), "5"),
        (literal("two\nlines\x1b[31m"), "two lines"),
        (pb.Term(), ""),
    ],
)
def test_cells(term: pb.Term, text: str) -> None:
    """Entities with key and title, concepts by name, others by value; nothing moves the cursor."""
    assert text == command._cell(term).plain


@pytest.mark.parametrize(
    ("terms", "line"),
    [
        (
            [ENTITY],
            '{"x0": {"iri": "https://x.org/#AAAAA", "key": "AAAAA", "label": "A b"}}',
        ),
        ([CONCEPT], '{"x0": {"iri": "https://x.org/#C_d", "concept": "C_d", "label": "C d"}}'),
        ([literal("a"), pb.Term(), literal("b", language="en")], '{"x0": "a", "x2": "b"}'),
        ([literal("5", "integer"), literal("0.5", "decimal")], '{"x0": 5, "x1": 0.5}'),
        ([literal("true", "boolean"), literal("1", "boolean")], '{"x0": true, "x1": "1"}'),
        ([literal("INF", "double"), literal("x", "integer")], '{"x0": "INF", "x1": "x"}'),
        ([pb.Term(kind=pb.Term.KIND_BLANK_NODE, value="b")], '{"x0": {"blank": "b"}}'),
    ],
)
def test_objects(terms: Sequence[pb.Term], line: str) -> None:
    """One object for each row, with numbers as numbers, without what is not bound."""
    answer = pb.QueryOntologyResponse(variables=[f"x{number}" for number in range(len(terms))])
    row = pb.QueryOntologyResponse.Row(terms=terms)

    assert line == documents.line(command._document(answer, row))


@pytest.mark.parametrize("arguments", [[], ["ASK {}", "-f", "x"], ["ASK {}", "--limit", "0"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """A query from one place, and a limit that makes sense."""
    assert 2 == CliRunner().invoke(ackrep, ["sparql", *arguments]).exit_code


def test_examples_need_no_data_repository() -> None:
    """They are printed as they are, to be copied."""
    printed = CliRunner().invoke(ackrep, ["sparql", "--examples"]).stdout

    for title, query in command.EXAMPLES:
        assert f"# {title}" in printed
        assert query in printed
