"""Which queries are asked at all, and where the others are wrong."""

import time

import pytest

from services.catalog.domain.ontology.sparql import MAX_QUERY_LENGTH, check_query, query_error
from services.catalog.domain.ontology.triples import prefixes_of
from services.errors import InvalidArgumentError

PREFIXES = prefixes_of("https://example.org/x#")


def refusal(query: str) -> InvalidArgumentError:
    """Why a query is refused."""
    with pytest.raises(InvalidArgumentError) as caught:
        check_query(query, PREFIXES)
    return caught.value


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?s ?p ?o }",
        "ask { P:a a owl:Class }",
        "PREFIX P: <https://example.org/y#> SELECT ?x WHERE { ?x P:a ocse:b }",
        "BASE <https://example.org/>\nPREFIX : <#>\nSELECT ?x { ?x :a <b> }",
        "# SERVICE <http://example.org> in a remark\nSELECT ?x { ?x ?y 'SERVICE FROM LOAD' }",
        'SELECT ?from { ?from P:SERVICE """CONSTRUCT " of \\""" """@en }',
        "SELECT (COUNT(?service) AS ?load) { ?service rdf:type [] ; P:a-b.c ( 1 2.5 ) }",
        "SELECT ?x { ?x P:it\\'s ?y FILTER(?y<5 && ?y>3 || ?y != -1) }",
        "SELECT ?x { ?x <http://example.org/service#FROM> _:service }",
    ],
)
def test_questions_are_taken(query: str) -> None:
    """Words inside of texts, names, variables and remarks are no keywords."""
    check_query(query, PREFIXES)


@pytest.mark.parametrize(
    ("query", "line", "column", "why"),
    [
        ("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }", 1, 1, "CONSTRUCT is refused"),
        ("PREFIX a: <b:c>\n  DESCRIBE a:b", 2, 3, "DESCRIBE is refused"),
        ("INSERT DATA { P:a P:b P:c }", 1, 1, "INSERT is refused: the graph is read only"),
        ("load <file:///etc/passwd>", 1, 1, "LOAD is refused"),
        ("DROP ALL", 1, 1, "DROP is refused"),
        ("SELECT * { SERVICE <http://x.org/> { ?a ?b ?c } }", 1, 12, "SERVICE is refused"),
        ("SELECT * {\n\tsErViCe?x{ ?a ?b ?c } }", 2, 2, "SERVICE is refused"),
        ("SELECT * { ?a P:it\\'s ?b SERVICE ?x { ?a ?b 'x' } }", 1, 26, "SERVICE is refused"),
        ("SELECT * FROM <http://x.org/> { ?a ?b ?c }", 1, 10, "FROM is refused"),
        ("SELECT * FROM NAMED <http://x.org/> { ?a ?b ?c }", 1, 10, "FROM is refused"),
        ("\\u0053ELECT * {}", 1, 1, "begins no query"),
        ("SELECT * { ?a ?b ?c } \\u0053ERVICE", 1, 23, "a backslash can stand only"),
        ("SELEC ?x { }", 1, 1, "'SELEC' begins no query"),
        ("PREFIX a: <b:c>", 1, 16, "the query ends before SELECT or ASK"),
        ("SELECT * { ?a foo:b ?c }", 1, 15, "the prefix `foo:` is not declared"),
        ("SELECT * { ?a a foo:B . PREFIX }", 1, 17, "the prefix `foo:` is not declared"),
        ('SELECT * { ?a ?b "c }', 1, 18, "this text has no end"),
        ("SELECT * { ?a ?b ?c", 1, 10, "`{` is never closed"),
        ("SELECT * { ?a ?b ?c ) }", 1, 21, "`)` closes nothing"),
    ],
)
def test_other_queries_are_refused(query: str, line: int, column: int, why: str) -> None:
    """With where and why."""
    error = refusal(query)

    assert error.message.startswith(f"line {line}, column {column}: "), error.message
    assert why in error.message
    assert {"line": str(line), "column": str(column)} == error.facts


def test_empty_and_endless_queries_are_refused() -> None:
    """Without a place."""
    assert "the query is empty" in refusal(" \n\t").message
    assert "too many" in refusal("#" * (MAX_QUERY_LENGTH + 1)).message


def test_an_error_points_at_its_place() -> None:
    """The line of the query, and a mark below; of a long line a part."""
    assert (
        "line 2, column 4: no\n  ab cd\n     ^"
        == query_error("first\nab cd\nlast", 9, "no").message
    )
    long = query_error("x" * 500 + "!" + "y" * 500, 500, "no").message.split("\n")
    assert "!" == long[1][long[2].index("^")]
    assert max(map(len, long)) <= 110


@pytest.mark.parametrize(
    "piece",
    ["a.", '"', "'''", "a:.", "<", "\\", "a-", "(", "#\n", "é:", '"\\', '"""\\', "a%41."],
)
def test_hostile_queries_are_read_quickly(piece: str) -> None:
    """No text makes the reading of tokens slow."""
    query = (f"SELECT * {{ {piece * MAX_QUERY_LENGTH}")[: MAX_QUERY_LENGTH - 10]
    begin = time.perf_counter()
    refusal(query)

    assert time.perf_counter() - begin < 3
