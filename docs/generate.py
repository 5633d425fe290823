# ruff: noqa: INP001  # a script beside the pages that it fills, no package
"""Fills the generated parts of the pages in this folder: `make docs`.

A page is written by hand, with places such as `<!-- generated: routes -->` … `<!-- end -->`. What
stands between the two comes from the code that it describes, so that it cannot lag behind it:
`--check` (and `tests/repo/test_docs.py`) fails where a page differs.
"""

import argparse
import ast
import dataclasses
import importlib
import inspect
import itertools
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import click
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from starlette.routing import Route

import gateway.app
from ackrep.scheduler.v1 import check_pb2
from cli import documents, legacy, verdicts
from cli.main import ackrep
from gateway import openapi
from gateway.failures import HTTP_STATUS
from services import errors
from services.catalog.domain.codes import CODES
from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.metadata import schema
from services.settings import SHARED, variable
from tests.unit.catalog import bad_input

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PLACE = re.compile(r"(<!-- generated: ([a-z -]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
"""A place in a page: its opening mark, its name, its content, its closing mark."""

SERVICES = ("catalog", "scheduler", "runner", "gateway")


def main() -> None:
    """Writes the pages, or says which ones are stale."""
    parser = argparse.ArgumentParser(description="Fill the generated parts of docs/*.md.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where stale")
    if parser.parse_args().check:
        stale = [str(page.relative_to(ROOT)) for page, text in fresh() if page.read_text() != text]
        sys.exit(f"stale, run `make docs`: {', '.join(stale)}" if stale else 0)
    for page, text in fresh():
        page.write_text(text)


def fresh() -> Iterator[tuple[Path, str]]:
    """Yields each page that has generated parts, with the text that it should have."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        if PLACE.search(text):
            yield page, PLACE.sub(lambda found: f"{found[1]}{part(found[2])}\n{found[4]}", text)


def part(name: str) -> str:
    """Makes one generated part, by the name in its mark."""
    kind, _, rest = name.partition(" ")
    return PARTS[kind](*rest.split())


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Formats a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(one.replace('|', chr(92) + '|') for one in row)} |" for row in lines
    )


def first_sentence(text: str | None) -> str:
    """The first sentence of a comment, in one line."""
    found = re.match(r".*?\.(?=\s|$)", " ".join((text or "").split()))
    return found[0] if found else " ".join((text or "").split())


# Settings -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a service's settings."""

    service: str
    field: str
    variable: str
    meaning: str
    kind: str
    default: str


def settings_of(service: str) -> list[Setting]:
    """Reads the settings of a service: meanings from the source, kinds and defaults as loaded."""
    name = "gateway.settings" if service == "gateway" else f"services.{service}.settings"
    cls = importlib.import_module(name).Settings
    meanings = _field_docstrings(inspect.getsource(cls))
    hints = get_type_hints(cls)
    return [
        Setting(
            service=service,
            field=field.name,
            variable=variable(service, field.name),
            meaning=meanings[field.name],
            kind=_kind(hints[field.name], field.name, meanings[field.name]),
            default=_default(field),
        )
        for field in dataclasses.fields(cls)
    ]


def _field_docstrings(source: str) -> dict[str, str]:
    (cls,) = ast.parse(source).body
    found = {}
    for field, below in itertools.pairwise(cls.body if isinstance(cls, ast.ClassDef) else ()):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                found[name] = " ".join(text.split())
    return found


def _kind(hint: Any, name: str, meaning: str) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is tuple:
        return "list, with commas"
    if name.endswith("_seconds") or meaning.startswith("Seconds"):
        return "seconds"
    if name.endswith("_bytes"):
        return "bytes"
    return {bool: "`1` or `0`", int: "whole number", float: "number", Path: "path"}.get(
        hint, "text"
    )


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return "**required**"
    value = field.default
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return f"`{int(value)}`"
    if field.name.endswith("_bytes"):
        unit, size = ("GiB", 1024**3) if value >= 1024**3 else ("MiB", 1024**2)
        return f"`{value}` ({value / size:g} {unit})"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def settings_table(service: str) -> str:
    """The table of one service, or of those that all share."""
    heads = ("variable", "meaning", "kind", "default")
    if service != "shared":
        found = [one for one in settings_of(service) if one.field not in SHARED]
        return table(
            heads, [(f"`{one.variable}`", one.meaning, one.kind, one.default) for one in found]
        )
    rows = []
    for field, name in SHARED.items():
        users = [one for service in SERVICES for one in settings_of(service) if one.field == field]
        whose = ", ".join(one.service for one in users)
        meaning = users[0].meaning.replace(f" (`{name}`)", "")
        rows.append((f"`{name}`", meaning, users[0].kind, users[0].default, whose))
    return table((*heads, "read by"), rows)


# Command line ---------------------------------------------------------------------------------


def commands() -> str:
    """Each command with its own options; those that many have stand once, at the top."""
    context = click.Context(ackrep, info_name="ackrep")
    shared = _options(ackrep)
    told = dict(_told(ackrep))
    single = [one for one in told.values() if not isinstance(one, click.Group)]
    everywhere = set.intersection(*({*_options(one)} for one in single))
    sections = ["### Options of many commands", ""]
    rows = []
    for names, text in shared.items():
        having = [name for name, one in told.items() if names in _options(one)]
        whose = "all" if names in everywhere else ", ".join(f"`{name}`" for name in having)
        rows.append((f"`{names}`", text, whose or "`ackrep` itself"))
    sections += [table(("option", "meaning", "commands"), rows), ""]
    for name, command in told.items():
        inside = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inside))
        sections += [f"### `ackrep {name}`", "", f"`ackrep {name} {usage}`", ""]
        sections += [_paragraphs(command), ""]
        own = [(f"`{n}`", text) for n, text in _options(command).items() if n not in shared]
        if own:
            sections += [table(("option", "meaning"), own), ""]
    return "\n".join(sections).rstrip()


def _told(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command, those of groups behind their group."""
    for name, command in group.commands.items():
        yield f"{before}{name}", command
        if isinstance(command, click.Group):
            yield from _told(command, f"{before}{name} ")


def _options(command: click.Command) -> dict[str, str]:
    context = click.Context(command)
    options = (one for one in command.params if isinstance(one, click.Option))
    records = (one.get_help_record(context) for one in options)
    found = {record[0]: _escaped(record[1]) for record in records if record}
    return {names: text for names, text in found.items() if names != "-h, --help"}


def _paragraphs(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "")
    return "\n\n".join(_escaped(" ".join(one.split())) for one in text.split("\n\n"))


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def exit_codes() -> str:
    """Verdicts, how `--json` writes them, and their exit codes."""
    words = [verdicts.word(number) for number in check_pb2.Verdict.values() if number]
    rows = [(one.label, f"`{one.name}`", str(one.exit_code)) for one in words]
    return table(("verdict", "in JSON", "exit code"), rows)


def spellings() -> str:
    """The options of 2022 and what is said today."""
    said: dict[tuple[str, str], list[str]] = {}
    for old, spelling in legacy.SPELLINGS.items():
        today = " ".join(spelling.command).replace("{}", "VALUE")
        said.setdefault((" VALUE" * spelling.takes_value, f"`ackrep {today}`"), []).append(old)
    ignored: dict[str, bool] = getattr(legacy, "_IGNORED", {})
    for old, follows in ignored.items():
        said.setdefault((" VALUE" * follows, "is accepted and changes nothing"), []).append(old)
    rows = [
        (", ".join(f"`{old}{value}`" for old in names), today)
        for (value, today), names in said.items()
    ]
    return table(("2022", "today"), rows)


def json_documents() -> str:
    """What `cli.documents` says of its documents."""
    text = inspect.cleandoc(documents.__doc__ or "")
    return text.partition("\n\n")[2]


# HTTP and gRPC --------------------------------------------------------------------------------


def routes() -> str:
    """Every rpc of every service, and its HTTP route where it has one."""
    image = openapi.IMAGE.read_bytes()
    comments = openapi.read_comments(image)
    found: dict[tuple[str, str], list[str]] = {}
    for path, operations in openapi.document()["paths"].items():
        for verb, one in operations.items():
            places = found.setdefault((one["tags"][0], one["operationId"].lower()), [])
            places.append(f"`{verb.upper()} {path}`")
    sections = []
    for file in FileDescriptorSet.FromString(image).file:
        for service in file.service if file.package.startswith("ackrep.") else ():
            full = f"{file.package}.{service.name}"
            rows = [
                (
                    ", ".join(found.get((service.name, rpc.name.lower()), ["gRPC only"])),
                    f"`{rpc.name}`" + " (stream)" * rpc.server_streaming,
                    first_sentence(comments.get(f"{full}.{rpc.name}")),
                )
                for rpc in service.method
            ]
            about = first_sentence(comments.get(full))
            sections += [f"### `{full}`", "", about, "", table(("HTTP", "rpc", "what"), rows), ""]
    return "\n".join(sections).rstrip()


def pages() -> str:
    """Every address that is no part of the API."""
    modules = [one for one in vars(gateway.app).values() if hasattr(one, "ROUTES")]
    found = [route for module in modules for route in module.ROUTES if isinstance(route, Route)]
    rows = [
        (
            f"`{'POST' if 'POST' in (route.methods or ()) else 'GET'} {route.path}`",
            first_sentence(route.endpoint.__doc__),
        )
        for route in found
    ]
    return table(("address", "what"), sorted(set(rows), key=_by_path))


def _by_path(row: Sequence[str]) -> tuple[str, str]:
    verb, _, path = row[0].strip("`").partition(" ")
    return path, verb


def reasons() -> str:
    """The conditions that services answer with."""
    rows = [
        (
            f"`{one.reason}`",
            f"`{one.code}`",
            str(HTTP_STATUS[one.code]),
            # The base class has the words for raising it; who receives it knows nothing better.
            "A defect; the log of the service says more."
            if one is errors.Error
            else first_sentence(one.__doc__),
        )
        for one in errors.all_errors()
        if one.__module__ == errors.__name__
    ]
    return table(("reason", "status", "HTTP", "meaning"), rows)


# Metadata -------------------------------------------------------------------------------------


def metadata_fields() -> str:
    """Every field of `metadata.yml`."""
    rows = []
    for one in schema.SCHEMA.values():
        types = "all" if one.types == schema.ANY_TYPE else ", ".join(sorted(one.types))
        default = f"; by default `{one.default}`" if one.default else ""
        length = "" if one.kind is schema.Kind.DATA else f"{one.max_length:,}"
        name = f"`{one.name}`" + " (**required**)" * one.required
        rows.append((name, one.kind.value, length, types, one.meaning + default))
    return table(("field", "holds", "characters", "types of entities", "meaning"), rows)


def diagnostic_codes() -> str:
    """Every code of a diagnostic."""
    rows = [
        (f"`{name}`", code.severity.name.lower(), code.meaning, code.remedy)
        for name, code in CODES.items()
    ]
    return table(("code", "severity", "meaning", "remedy"), rows)


def bad_input_cases() -> str:
    """What was tried to upset the catalog, and what it says."""
    sections = []
    for title, cases in bad_input.SECTIONS.items():
        rows = []
        for case in cases:
            diagnostics, _ = bad_input.said(case)
            words = [
                _code(f"{_place(one)}{one.severity.name.lower()}: {one.message} [{one.code}]")
                for one in diagnostics
            ]
            remedies = dict.fromkeys(_code(one.remedy) for one in diagnostics)
            rows.append((case.tried, "<br>".join(words) or "nothing", "<br>".join(remedies)))
        sections += [f"### {title}", "", table(("tried", "says", "remedy"), rows), ""]
    return "\n".join(sections).rstrip()


def _place(diagnostic: Diagnostic) -> str:
    place = f"{diagnostic.line}:{diagnostic.column}: " if diagnostic.line else ""
    return place if diagnostic.field or place else f"{diagnostic.path}: "


def _code(text: str) -> str:
    """A text as it is, on one line."""
    shown = " ".join(
        "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text).split()
    )
    fence = "``" if "`" in shown else "`"
    space = " " if "`" in (shown[:1], shown[-1:]) else ""
    return f"{fence}{space}{shown}{space}{fence}"


PARTS: dict[str, Callable[..., str]] = {
    "settings": settings_table,
    "commands": commands,
    "exit-codes": exit_codes,
    "spellings": spellings,
    "documents": json_documents,
    "routes": routes,
    "pages": pages,
    "reasons": reasons,
    "metadata-fields": metadata_fields,
    "diagnostic-codes": diagnostic_codes,
    "bad-input": bad_input_cases,
}
"""What makes each kind of generated part."""


if __name__ == "__main__":
    main()
