"""What a reader of `/entities` asks for: words, filters, and the addresses that change them."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from gateway.pages import addresses, words

MAX_QUERY = 400
"""Characters of a search that are looked at."""
MAX_WORDS = 32
_MAX_VALUE = 200
_MAX_TAGS = 8
_TYPES = {word.slug: word for word in words.TYPES.values()}
_VERDICTS = {word.slug: word for word in (*words.VERDICTS.values(), words.UNCHECKED)}


@dataclass(frozen=True)
class Chip:
    """One thing that was asked for, and the address without it."""

    label: str
    value: str
    address: str


@dataclass(frozen=True)
class Choices:
    """All that the address of `/entities` can say."""

    query: str = ""
    type: str = ""
    tags: tuple[str, ...] = ()
    creator: str = ""
    environment: str = ""
    verdict: str = ""
    concept: str = ""
    """Class name: entities tagged with it or with a subclass."""
    revision: str = ""

    @property
    def filtered(self) -> bool:
        """Whether anything but words is asked for."""
        return bool(
            self.type
            or self.tags
            or self.creator
            or self.environment
            or self.verdict
            or self.concept
        )

    def __bool__(self) -> bool:
        return bool(self.query) or self.filtered

    @property
    def filter(self) -> str:
        """The conditions that the catalog knows, as its filter writes them."""
        conditions = [
            ("type", self.type),
            *(("tag", tag) for tag in self.tags),
            ("creator", self.creator),
            ("environment", self.environment),
        ]
        return " AND ".join(f"{field} = {_quoted(value)}" for field, value in conditions if value)

    def but(self, **changes: str | tuple[str, ...]) -> "Choices":
        """Gives the same with something changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def address(self, **more: str) -> str:
        """Gives the address that asks for this."""
        return addresses.at(
            "/entities",
            self.revision,
            q=self.query,
            type=self.type,
            tag=self.tags,
            creator=self.creator,
            environment=self.environment,
            verdict=self.verdict,
            concept=self.concept,
            **more,
        )

    def fields(self) -> Iterator[tuple[str, str]]:
        """Lists what a form has to carry on beside the words."""
        for name in ("type", "creator", "environment", "verdict", "concept"):
            if value := getattr(self, name):
                yield name, value
        for tag in self.tags:
            yield "tag", tag
        if self.revision:
            yield "revision", self.revision.removeprefix("revisions/")

    def chips(self) -> Sequence[Chip]:
        """Lists what is asked for beside the words, each with the address without it."""
        found = []
        if self.type:
            found.append(Chip("type", _TYPES[self.type].label, self.but(type="").address()))
        if self.verdict:
            label = _VERDICTS[self.verdict].label
            found.append(Chip("verdict", label, self.but(verdict="").address()))
        if self.concept:
            label = self.concept.replace("_", " ")
            found.append(Chip("concept", label, self.but(concept="").address()))
        for tag in self.tags:
            others = tuple(other for other in self.tags if other != tag)
            found.append(Chip("tag", addresses.tag_label(tag), self.but(tags=others).address()))
        rest = [(name, getattr(self, name)) for name in ("creator", "environment")]
        return [
            *found,
            *(Chip(name, value, self.but(**{name: ""}).address()) for name, value in rest if value),
        ]


def read(query: QueryParams, *, revision: str) -> Choices:
    """Reads the parameters of an address; what makes no sense is left out.

    Args:
        query: The address's parameters; `text` is an older name of `q`.
        revision: Name of the revision looked at, empty for the current one.
    """

    def value(name: str) -> str:
        return " ".join(query.get(name, "").split())[:_MAX_VALUE]

    text = query.get("q", "") or query.get("text", "")
    tags = [" ".join(tag.split())[:_MAX_VALUE] for tag in query.getlist("tag")]
    return Choices(
        query=" ".join(text.split()[:MAX_WORDS])[:MAX_QUERY],
        type=value("type") if value("type") in _TYPES else "",
        tags=tuple(dict.fromkeys(tag for tag in tags if tag))[:_MAX_TAGS],
        creator=value("creator"),
        environment=value("environment").removeprefix("environments/"),
        verdict=value("verdict") if value("verdict") in _VERDICTS else "",
        concept=value("concept").removeprefix(addresses.TAG_PREFIX),
        revision=revision,
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
