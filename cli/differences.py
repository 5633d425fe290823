"""What differs between two runs: calls, documents and tables.

`--json` prints a comparison as one object, the protobuf JSON of a `RunComparison` (field names as
over HTTP) with `counts` as one object by kind and, in each of `changes`, `key`, `kind`,
`baseVerdict` and `otherVerdict` in lower case (e.g. `script_error`; empty where there is none).
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.json_format import MessageToDict
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import comparison_pb2, comparison_pb2_grpc
from cli import documents, tables, verdicts
from cli.client import Client

_Kind: TypeAlias = comparison_pb2.ChangeKind.ValueType

_WORDS: Final[Mapping[_Kind, tuple[str, str]]] = {
    comparison_pb2.CHANGE_KIND_BROKEN: ("broken", "bold red"),
    comparison_pb2.CHANGE_KIND_REPAIRED: ("repaired", "bold green"),
    comparison_pb2.CHANGE_KIND_VERDICT: ("fails otherwise", "bold yellow"),
    comparison_pb2.CHANGE_KIND_NUMBERS: ("other numbers", "bold cyan"),
    comparison_pb2.CHANGE_KIND_PENDING: ("no verdict", "bold magenta"),
    comparison_pb2.CHANGE_KIND_ADDED: ("added", "blue"),
    comparison_pb2.CHANGE_KIND_REMOVED: ("removed", "blue"),
    comparison_pb2.CHANGE_KIND_UNCHANGED: ("unchanged", "dim"),
}
_SLOWER: Final = ("slower", "bold blue")
_SHOWN_NUMBERS: Final = 2
_LONGEST_MESSAGE: Final = 80
"""Characters of what went wrong; the page of the check has all of it."""


async def compared(client: Client, base: str, other: str) -> comparison_pb2.RunComparison:
    """Compares two runs, `runs/{id}` each."""
    stub = comparison_pb2_grpc.ComparisonServiceStub(client.channel("scheduler"))
    request = comparison_pb2.CompareRunsRequest(base=base, other=other)
    return await client.call("scheduler", stub.CompareRuns, request, timeout=120.0)


def kind_name(kind: _Kind) -> str:
    """A kind of change in lower case, e.g. `broken`."""
    return comparison_pb2.ChangeKind.Name(kind).removeprefix("CHANGE_KIND_").lower()


def document(comparison: comparison_pb2.RunComparison) -> dict[str, Any]:
    """Describes a comparison."""
    fields: dict[str, Any] = MessageToDict(comparison)
    fields["counts"] = {kind_name(count.kind): count.count for count in comparison.counts}
    fields["changes"] = [
        {
            **MessageToDict(change),
            "key": documents.last(change.entity),
            "kind": kind_name(change.kind),
            "baseVerdict": verdicts.word(change.base_verdict).name,
            "otherVerdict": verdicts.word(change.other_verdict).name,
        }
        for change in comparison.changes
    ]
    return fields


def table(
    comparison: comparison_pb2.RunComparison,
    entities: Mapping[str, catalog_pb2.Entity],
    *,
    heads: tuple[str, str] = ("Before", "After"),
    width: int,
) -> RenderableType:
    """Entities that changed, or take longer; on narrow terminals without titles."""
    wide = width >= tables.WIDE
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    found.add_column("Key", style="cyan", no_wrap=True)
    if wide:
        found.add_column("Title")
    found.add_column("Change", no_wrap=True)
    found.add_column(heads[0], no_wrap=True)
    found.add_column(heads[1], no_wrap=True)
    found.add_column("Difference")
    for change in comparison.changes:
        unchanged = change.kind == comparison_pb2.CHANGE_KIND_UNCHANGED
        if unchanged and not change.slower:
            continue
        key = documents.last(change.entity)
        row: list[RenderableType] = [tables.plain(key)]
        if wide:
            title = tables.plain(entities.get(key, catalog_pb2.Entity()).title)
            title.no_wrap, title.overflow = True, "ellipsis"
            row.append(title)
        label, style = _SLOWER if unchanged else _WORDS[change.kind]
        row += [
            Text(label, style=style),
            _verdict(change.base_verdict, change.base_check),
            _verdict(change.other_verdict, change.other_check),
            _difference(change),
        ]
        found.add_row(*row)
    return Group(found, summary(comparison)) if found.row_count else summary(comparison)


def _verdict(verdict: Any, check: str) -> Text:
    if check and not verdict:
        return Text("not finished", style="dim")
    return tables.verdict_text(verdict) if check else Text("-", style="dim")


def _difference(change: comparison_pb2.EntityChange) -> Text:
    parts = [_number(number) for number in change.numbers[:_SHOWN_NUMBERS]]
    if more := len(change.numbers) - _SHOWN_NUMBERS:
        parts += [Text(f"{more} more", style="dim")] if more > 0 else []
    if change.slower:
        times = f"{change.base_seconds:.1f} s became {change.other_seconds:.1f} s"
        parts.append(Text(times, style=_SLOWER[1]))
    failed = change.other_check and change.kind not in {
        comparison_pb2.CHANGE_KIND_REPAIRED,
        comparison_pb2.CHANGE_KIND_NUMBERS,
        comparison_pb2.CHANGE_KIND_UNCHANGED,
    }
    if failed and change.message:
        message = tables.plain(change.message, "dim")
        message.truncate(_LONGEST_MESSAGE, overflow="ellipsis")
        parts.insert(0, message)
    return Text("; ").join(parts)


def _number(number: comparison_pb2.NumberChange) -> Text:
    text = tables.plain(number.name)
    if number.HasField("absolute"):
        text.append(f" by {number.absolute:.2g}", style="bold")
        text.append(f" (relative {number.relative:.1g})", style="dim")
    if number.message:
        text.append(": ").append_text(tables.plain(number.message, "dim"))
    return text


def summary(comparison: comparison_pb2.RunComparison) -> Text:
    """One line: how many entities changed in which way."""
    total = len(comparison.changes)
    text = Text(f"{total} {'entity' if total == 1 else 'entities'}: ")
    parts = [
        Text(f"{count.count} {_WORDS[count.kind][0]}", style=_WORDS[count.kind][1])
        for count in comparison.counts
    ]
    if slower := sum(change.slower for change in comparison.changes):
        parts.append(Text(f"{slower} {_SLOWER[0]}", style=_SLOWER[1]))
    return text.append_text(Text(", ").join(parts))
