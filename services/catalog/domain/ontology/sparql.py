"""What a query may ask: SPARQL 1.1 SELECT and ASK over the revision's own graph, nothing else."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.errors import InvalidArgumentError

MAX_QUERY_LENGTH: Final = 30_000
"""Characters of a query; longer ones are refused."""
STANDARD_PREFIXES: Final[Mapping[str, str]] = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
ONTOLOGY_PREFIXES: Final = ("P", "ocse")
"""Prefixes of the ontology's own namespace."""

_UPDATES: Final = frozenset(
    "INSERT DELETE LOAD CLEAR DROP CREATE ADD MOVE COPY WITH".split()  # noqa: SIM905  # shorter
)
_REFUSED: Final = {
    "SERVICE": "SERVICE is refused: queries reach no other server",
    "FROM": "FROM is refused: the graph is that of the revision, and there is no other",
}
_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|\#[^\n\r]*)
    | (?P<iri><(?:[^<>"{}|^`\\\x00-\x20]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*>)
    | (?P<string>\"\"\"(?:\"{0,2}(?:[^\"\\]|\\.))*\"\"\"|'''(?:'{0,2}(?:[^'\\]|\\.))*'''
        |"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    | (?P<variable>[?$]\w+)
    | (?P<language>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
    | (?P<name>(?:[^\W\d](?:[\w.\-]{0,200}[\w\-])?)?:
        (?:(?:[\w:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])
           (?:(?:[\w:.\-]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])*
              (?:[\w:\-]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%]))?)?)
    | (?P<word>[^\W\d_][\w]*)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<sign>&&|\|\||!=|<=|>=|\^\^|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTES: Final = ("'", '"')
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Token:
    """A piece of a query."""

    kind: str
    text: str
    start: int
    """Index of its first character."""

    @property
    def end(self) -> int:
        """Index behind its last character."""
        return self.start + len(self.text)

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for anything else."""
        return self.text.upper() if self.kind == "word" else ""


def tokens_of(query: str) -> list[Token]:
    """The pieces of a query, without space and comments; a text without end is the last one."""
    found = []
    for match in _TOKEN.finditer(query):
        kind, text = str(match.lastgroup), match.group()
        if kind != "space":
            found.append(Token(kind, text, match.start()))
        if kind == "sign" and text in _QUOTES:
            break  # each further quote would be looked for to the end of the query again
    return found


def check_query(query: str, prefixes: Mapping[str, str]) -> None:
    """Refuses what is no SELECT or ASK over the revision's graph, and plain slips.

    Args:
        query: SPARQL text.
        prefixes: Those that are declared already.

    Raises:
        InvalidArgumentError: With where and why.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise InvalidArgumentError(
            f"the query has {len(query)} characters; more than {MAX_QUERY_LENGTH} are too many"
        )
    if not query.strip():
        raise InvalidArgumentError(
            "the query is empty: write e.g. SELECT ?entity WHERE { ?entity P:has_entity_key ?key }"
        )
    tokens = tokens_of(query)
    _check_form(query, tokens)
    for token in tokens:
        if token.keyword in _REFUSED:
            raise query_error(query, token.start, _REFUSED[token.keyword])
    _check_texts(query, tokens)
    _check_prefixes(query, tokens, prefixes)
    _check_brackets(query, tokens)


def query_error(query: str, index: int, why: str) -> InvalidArgumentError:
    """The error of a query, pointing at a character of it.

    The message is one line of why, then the line of the query and a mark below the place.
    """
    begin = query.rfind("\n", 0, index) + 1
    end = query.find("\n", index)
    line = query[begin : end if end >= 0 else len(query)].rstrip("\r")
    number, column = query.count("\n", 0, index) + 1, index - begin + 1
    cut = max(0, column - 60)
    shown = line[cut : cut + 100].replace("\t", " ")
    mark = " " * (column - 1 - cut) + "^"
    return InvalidArgumentError(
        f"line {number}, column {column}: {why}\n  {shown}\n  {mark}",
        line=str(number),
        column=str(column),
    )


def _check_form(query: str, tokens: Sequence[Token]) -> None:
    form = next(iter(_behind_prologue(tokens)), None)
    if form is None:
        raise query_error(query, len(query.rstrip()), "the query ends before SELECT or ASK")
    if form.keyword in ("SELECT", "ASK"):
        return
    if form.keyword in ("CONSTRUCT", "DESCRIBE"):
        why = f"{form.keyword} is refused: ask with SELECT or ASK"
    elif form.keyword in _UPDATES:
        why = f"{form.keyword} is refused: the graph is read only; ask with SELECT or ASK"
    else:
        why = f"{form.text[:40]!r} begins no query: write SELECT or ASK"
    raise query_error(query, form.start, why)


def _behind_prologue(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens from the query's form on, behind `PREFIX p: <iri>` and `BASE <iri>`."""
    index = 0
    while index < len(tokens):
        if tokens[index].keyword == "PREFIX":
            index += 3
        elif tokens[index].keyword == "BASE":
            index += 2
        else:
            yield tokens[index]
            index += 1


def _check_texts(query: str, tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.kind == "sign" and token.text in _QUOTES:
            raise query_error(query, token.start, "this text has no end: close the quotes")
        if token.kind == "sign" and token.text == "\\":
            raise query_error(query, token.start, "a backslash can stand only inside of a text")


def _check_prefixes(query: str, tokens: Sequence[Token], prefixes: Mapping[str, str]) -> None:
    declared = {*prefixes, "_"}
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.kind != "name":
            continue
        prefix = token.text.split(":", 1)[0]
        if before is not None and before.keyword == "PREFIX":
            declared.add(prefix)
        elif prefix not in declared:
            known = ", ".join(f"{name}:" for name in sorted(declared - {"_"}))
            raise query_error(
                query,
                token.start,
                f"the prefix `{prefix[:40]}:` is not declared; declared are {known}",
            )


def _check_brackets(query: str, tokens: Sequence[Token]) -> None:
    open_: list[Token] = []
    for token in tokens:
        if token.kind != "sign":
            continue
        if token.text in _CLOSING.values():
            open_.append(token)
        elif token.text in _CLOSING:
            if not open_ or open_[-1].text != _CLOSING[token.text]:
                raise query_error(query, token.start, f"`{token.text}` closes nothing")
            open_.pop()
    if open_:
        raise query_error(query, open_[-1].start, f"`{open_[-1].text}` is never closed")
