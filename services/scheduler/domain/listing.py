"""Filters, page sizes and page tokens of lists."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TypeVar

from services.errors import InvalidArgumentError
from services.scheduler.domain.check import State, Verdict

_VALUE = re.compile(r"[\w./-]+", re.ASCII)
_E = TypeVar("_E", State, Verdict)

DEFAULT_PAGE = 50
LARGEST_PAGE = 500
DEFAULT_VERDICTS = 1000
LARGEST_VERDICTS = 10_000
MOST_ENTITIES = 1000
"""Entities that one request for verdicts may name."""


@dataclass(frozen=True, kw_only=True)
class CheckFilter:
    """Conditions on checks, all of which have to hold; `None` asks for nothing."""

    entity: str | None = None
    run: str | None = None
    revision: str | None = None
    state: State | None = None
    verdict: Verdict | None = None


def parse_filter(text: str) -> CheckFilter:
    """Reads conditions `field = value`, joined by ` AND `.

    Raises:
        InvalidArgumentError: A condition cannot be read, its field is unknown or named twice, or
            its value does not exist.
    """
    found: dict[str, str] = {}
    for part in text.split(" AND ") if text.strip() else ():
        field, sign, value = (piece.strip() for piece in part.partition("="))
        value = value.strip("\"'")
        if not sign or not _VALUE.fullmatch(value) or field not in _COLLECTIONS:
            raise InvalidArgumentError(
                f"cannot read the condition {part.strip()!r}: write `field = value`, joined by "
                f"` AND `, with a field of {', '.join(_COLLECTIONS)}",
                field="filter",
            )
        if field in found:
            raise InvalidArgumentError(f"the filter names {field} twice", field="filter")
        found[field] = value.removeprefix(_COLLECTIONS[field])
    return CheckFilter(
        entity=found.get("entity"),
        run=found.get("run"),
        revision=found.get("revision"),
        state=_member(State, found.get("state"), prefix="STATE_"),
        verdict=_member(Verdict, found.get("verdict"), prefix="VERDICT_"),
    )


_COLLECTIONS = {
    "entity": "entities/",
    "run": "runs/",
    "revision": "revisions/",
    "state": "",
    "verdict": "",
}


def _member(enum: type[_E], text: str | None, *, prefix: str) -> _E | None:
    if text is None:
        return None
    try:
        return enum[text.upper().removeprefix(prefix)]
    except KeyError:
        names = ", ".join(member.name.lower() for member in enum)
        raise InvalidArgumentError(f"{text!r} is none of {names}", field="filter") from None


def page_size(asked: int, *, default: int = DEFAULT_PAGE, largest: int = LARGEST_PAGE) -> int:
    """Gives the size of a page: 0 means the default, more than the largest is taken as that.

    Raises:
        InvalidArgumentError: It is negative.
    """
    if asked < 0:
        raise InvalidArgumentError(f"page_size is negative: {asked}", field="page_size")
    return min(asked or default, largest)


def page_token(last: str, *, query: str) -> str:
    """Writes the token of the page after the resource `last` of a query."""
    return base64.urlsafe_b64encode(f"{_mark(query, last)}:{last}".encode()).decode()


def after_token(token: str, *, query: str) -> str:
    """Reads a page token: the id after which the page begins; empty for the first page.

    Raises:
        InvalidArgumentError: It is no token, or one of another query.
    """
    if not token:
        return ""
    try:
        mark, _, last = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, ValueError):
        mark = last = ""
    if not last or mark != _mark(query, last):
        raise InvalidArgumentError("page_token is not one of this query", field="page_token")
    return last


def _mark(query: str, last: str) -> str:
    return hashlib.sha256(f"{query}/{last}".encode()).hexdigest()[:8]
