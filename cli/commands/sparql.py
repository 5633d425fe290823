"""`sparql`: questions to the ontology and the tags of entities."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import ontology_pb2
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from services.errors import InvalidArgumentError

EXAMPLES: Final = (
    (
        "the entity with a key",
        'SELECT ?entity WHERE { ?entity P:has_entity_key "UXMFA" }',
    ),
    (
        "all entities about state space systems, the special kinds included",
        "SELECT ?entity WHERE { ?entity P:has_ontology_based_tag P:iState_Space_System }",
    ),
    (
        "problem solutions that use closed loop control",
        (
            "SELECT ?entity WHERE {\n"
            "  ?entity rdf:type P:ACKREP_ProblemSolution .\n"
            "  ?entity P:has_ontology_based_tag P:iClosed_Loop_Control\n"
            "}"
        ),
    ),
    (
        "entities with two tags",
        (
            "SELECT ?entity WHERE {\n"
            "  ?entity P:has_ontology_based_tag P:iClosed_Loop_Control, P:iTrajectory_Generation\n"
            "}"
        ),
    ),
    (
        "all concepts below another one",
        "SELECT ?concept WHERE { ?concept rdfs:subClassOf* P:OCSE_Entity }",
    ),
    (
        "how many entities have each concept, most first",
        (
            "SELECT ?concept (COUNT(?entity) AS ?entities) WHERE {\n"
            "  ?entity P:has_ontology_based_tag ?concept\n"
            "}\n"
            "GROUP BY ?concept ORDER BY DESC(?entities) LIMIT 10"
        ),
    ),
    (
        "whether anything is about trajectories (exit code 0 for yes, 1 for no)",
        "ASK { ?entity P:has_ontology_based_tag P:iTrajectory_Generation }",
    ),
)
"""Questions with what they ask for."""

_MAX_QUERY: Final = 1_000_000
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_WHOLE: Final = {f"{_XSD}integer", f"{_XSD}int", f"{_XSD}long"}
_REAL: Final = {f"{_XSD}decimal", f"{_XSD}double", f"{_XSD}float"}


@click.command()
@click.argument("query", required=False)
@click.option("--file", "-f", "path", metavar="FILE", help="Read the query from a file.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=1_000,
    show_default=True,
    help="At most so many rows.",
)
@click.option("--examples", is_flag=True, help="Print queries to begin with.")
@server_options
@shared_options
@pass_context
def sparql(
    context: Context, *, query: str | None, path: str | None, limit: int, examples: bool
) -> int:
    """Ask the ontology: SPARQL 1.1 SELECT or ASK.

    QUERY is the text, or - to read it from standard input. The prefixes rdf, rdfs, owl, xsd, and
    P for the ontology of the data repository are declared already. ASK exits with 0 for yes and
    with 1 for no.
    """
    if examples:
        _print_examples(context)
        return 0
    text = _query_text(query, path)

    async def work(client: Client) -> ontology_pb2.QueryOntologyResponse:
        if not context.deployed and context.source().is_local:
            await client.sync()
        return await client.query_ontology(text, max_rows=limit)

    answer = context.run(work, reading=True)
    if answer.HasField("answer"):
        if context.json:
            click.echo(documents.line({"answer": answer.answer}))
        else:
            click.echo("yes" if answer.answer else "no")
        return 0 if answer.answer else 1
    if context.json:
        for row in answer.rows:
            click.echo(documents.line(_document(answer, row)))
    else:
        _print_rows(context, answer)
    if answer.truncated:
        context.screen.note("there are more rows: raise --limit (up to 10000)")
    return 0


def _query_text(query: str | None, path: str | None) -> str:
    if (query is None) == (path is None):
        raise click.UsageError("give a QUERY, or -f FILE, or - for standard input")
    if query == "-":
        return _decoded(sys.stdin.buffer.read(_MAX_QUERY), "standard input")
    if path is None:
        return query or ""
    try:
        with Path(path).open("rb") as file:
            return _decoded(file.read(_MAX_QUERY), path)
    except OSError as error:
        raise InvalidArgumentError(f"cannot read {path}: {error.strerror or error}") from error


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"{where} is no UTF-8") from error


def _print_examples(context: Context) -> None:
    if context.json:
        for title, query in EXAMPLES:
            click.echo(documents.line({"title": title, "query": query}))
        return
    for number, (title, query) in enumerate(EXAMPLES):
        context.screen.print(Text(f"{'' if number == 0 else chr(10)}# {title}", style="dim"))
        context.screen.print(Text(query), soft_wrap=True)


def _print_rows(context: Context, answer: ontology_pb2.QueryOntologyResponse) -> None:
    screen = context.screen
    if answer.rows and answer.variables:
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
        )
        for name in answer.variables:
            table.add_column(Text(name), overflow="fold")
        for row in answer.rows:
            table.add_row(*(_cell(term) for term in row.terms))
        screen.print(table)
    noun = "row" if len(answer.rows) == 1 else "rows"
    elapsed = answer.elapsed.ToMicroseconds() / 1000
    screen.err.print(Text(f"{len(answer.rows)} {noun} in {elapsed:.1f} ms", style="dim"))


def _cell(term: ontology_pb2.Term) -> Text:
    """An entity as key and title, a concept by its tag or name, anything else by its value."""
    if term.entity:
        return Text.assemble((documents.last(term.entity), "cyan"), "  ", tables.plain(term.label))
    if term.concept:
        return tables.plain(documents.last(term.concept), "green")
    if term.kind == ontology_pb2.Term.KIND_IRI:
        return tables.plain(_short(term.value), "blue")
    if term.kind == ontology_pb2.Term.KIND_BLANK_NODE:
        return tables.plain(f"_:{term.value}", "dim")
    return tables.plain(term.value)


def _short(iri: str) -> str:
    """An IRI of the well-known vocabularies by its prefix."""
    for prefix, namespace in (
        ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
        ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
        ("owl", "http://www.w3.org/2002/07/owl#"),
        ("xsd", _XSD),
    ):
        if iri.startswith(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return iri


def _document(
    answer: ontology_pb2.QueryOntologyResponse, row: ontology_pb2.QueryOntologyResponse.Row
) -> dict[str, Any]:
    """A row as an object: what each variable is bound to; those without a value are left out."""
    return {
        name: _value(term)
        for name, term in zip(answer.variables, row.terms, strict=True)
        if term.kind != ontology_pb2.Term.KIND_UNSPECIFIED
    }


def _value(term: ontology_pb2.Term) -> Any:
    """A plain value for a literal; for a name an object with `iri`, `key`, `concept`, `label`."""
    if term.kind == ontology_pb2.Term.KIND_LITERAL:
        return _literal(term)
    if term.kind == ontology_pb2.Term.KIND_BLANK_NODE:
        return {"blank": term.value}
    found = {
        "iri": term.value,
        "key": documents.last(term.entity),
        "concept": documents.last(term.concept),
        "label": term.label,
    }
    return {name: value for name, value in found.items() if value}


def _literal(term: ontology_pb2.Term) -> Any:
    if term.datatype == f"{_XSD}boolean" and term.value in ("true", "false"):
        return term.value == "true"
    try:
        if term.datatype in _WHOLE:
            return int(term.value)
        if term.datatype in _REAL:
            number = float(term.value)
            return number if json.dumps(number)[-1].isdigit() else term.value
    except ValueError:
        pass
    return term.value
