"""What an entity's evaluation returns."""

from __future__ import annotations

from typing import Any


class ResultContainer:
    """Attributes by name: `success` decides, `score` and all other numbers are kept.

    Keywords become attributes; more may be set later. A keyword that is also the name of a method
    raises NameError.
    """

    def __init__(self, **kwargs: Any) -> None:
        taken = sorted(set(dir(self)) & set(kwargs))
        if taken:
            raise NameError("names that a ResultContainer has already: " + ", ".join(taken))
        self.__dict__.update(kwargs)

    def item_list(self) -> list:
        """All attributes as pairs of name and value."""
        return list(self.__dict__.items())

    def value_list(self) -> tuple:
        """All attributes' values."""
        return tuple(self.__dict__.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResultContainer):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<ResultContainer: %r>" % (self.__dict__,)
