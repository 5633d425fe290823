"""What requests say: names of resources, page sizes and page tokens."""

import base64
import binascii
import json
import re
from typing import Any, Final

import grpc

from services.errors import InvalidArgumentError

CURRENT: Final = "revisions/current"
_REVISION_ID: Final = re.compile(r"[0-9a-f]{7,40}")

Context = grpc.aio.ServicerContext[Any, Any]


def tree_of(name: str) -> str:
    """What names a revision: an id or the beginning of one; empty for the current one.

    Raises:
        InvalidArgumentError: It is no name of a revision.
    """
    if name in ("", CURRENT):
        return ""
    id_ = name.removeprefix("revisions/").lower()
    if name.startswith("revisions/") and _REVISION_ID.fullmatch(id_):
        return id_
    raise InvalidArgumentError(
        f"{name[:100]!r} is no revision: write {CURRENT}, or revisions/ and at least 7 digits of "
        "a tree or commit id"
    )


def key_of(name: str, *, field: str) -> str:
    """The key in an entity's name.

    Raises:
        InvalidArgumentError: It is no name of an entity.
    """
    key = name.removeprefix("entities/")
    if key == name or not key or not re.fullmatch(r"[^/\s]+", key):
        raise InvalidArgumentError(
            f"{field} is {name[:100]!r}, which is no entity: write entities/{{KEY}}", field=field
        )
    return key


def page_size_of(asked: int, *, default: int, largest: int) -> int:
    """How many to answer with.

    Raises:
        InvalidArgumentError: It is negative.
    """
    if asked < 0:
        raise InvalidArgumentError(f"page_size is {asked}; it cannot be negative")
    return min(asked or default, largest)


class PageToken:
    """Where the next page begins: opaque to callers, and good for the same request only."""

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        self._kind = kind
        self.after = str(values.get("after", ""))
        self.tree = str(values.get("tree", ""))
        self.base = str(values.get("base", ""))
        self.offset = max(int(values.get("offset", 0)), 0)

    @classmethod
    def read(cls, text: str, *, kind: str) -> "PageToken":
        """Reads a token of a request.

        Raises:
            InvalidArgumentError: It was not made by us, or for another request.
        """
        if not text:
            return cls(kind, {})
        try:
            values = json.loads(base64.urlsafe_b64decode(text.encode()))
            if values.pop("kind") != kind:
                raise InvalidArgumentError("page_token belongs to another request")
            return cls(kind, values)
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidArgumentError("page_token is not one that was given out") from error

    def pinned(self, name: str) -> str:
        """The revision to read: later pages stay with the one of the first page."""
        return self.tree or name

    def next(self, **values: str | int) -> str:
        """Token of the page after."""
        text = json.dumps({"kind": self._kind, **values}, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()
