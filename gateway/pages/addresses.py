"""Addresses of pages and files, with the revision that is looked at."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

TAG_PREFIX = "ocse:"
"""Tags that begin with it name a concept of the ontology."""


def at(path: str, revision: str = "", **parameters: str | Sequence[str]) -> str:
    """Gives the address of a page at a revision; empty parameters are left out.

    Args:
        path: Path of the page, encoded already.
        revision: `revisions/{id}`; empty for the current one.
        parameters: Query parameters; of a sequence each value.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        values = (value,) if isinstance(value, str) else value
        pairs += [(name, one) for one in values if one]
    if revision:
        pairs.append(("revision", revision.removeprefix("revisions/")))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def entity(name: str, revision: str = "") -> str:
    """Gives the address of an entity's page; takes `entities/{KEY}` or the key."""
    return at(f"/e/{quote(name.removeprefix('entities/'), safe='')}", revision)


def source(name: str, path: str, revision: str = "", *, line: int = 0) -> str:
    """Gives the address of the page that shows a file of an entity, at a line where given."""
    key = quote(name.removeprefix("entities/"), safe="")
    return at(f"/e/{key}/files/{quote(path)}", revision) + (f"#L{line}" if line else "")


def content(name: str, path: str, revision: str = "") -> str:
    """Gives the address of a file's bytes."""
    key = quote(name.removeprefix("entities/"), safe="")
    return _api(f"/v1/entities/{key}/files/{quote(path)}", revision)


def archive(name: str, kind: str, revision: str = "") -> str:
    """Gives the address of an archive of an entity with its closure; `kind` is ZIP or TAR_GZ."""
    key = quote(name.removeprefix("entities/"), safe="")
    return _api(f"/v1/entities/{key}:archive", revision, format=f"FORMAT_{kind}")


def _api(path: str, revision: str, **parameters: str) -> str:
    """Gives an address of the API, which wants a revision's whole name."""
    pairs = [*parameters.items()]
    if revision:
        pairs.append(("revision", f"revisions/{revision.removeprefix('revisions/')}"))
    return f"{path}?{urlencode(pairs, safe='/')}" if pairs else path


def concept(name: str, revision: str = "") -> str:
    """Gives the address of a concept's page; takes `concepts/{class name}` or the class name."""
    return at(f"/ontology/{quote(name.removeprefix('concepts/'), safe='')}", revision)


def tag(text: str, revision: str = "") -> str:
    """Gives where a tag leads: a concept's page, or the entities that have the tag."""
    if text.startswith(TAG_PREFIX) and len(text) > len(TAG_PREFIX):
        return concept(text.removeprefix(TAG_PREFIX), revision)
    return at("/entities", revision, tag=text)


def tag_label(text: str) -> str:
    """Writes a tag for people: a concept's name as words, any other as it is."""
    name = text.removeprefix(TAG_PREFIX)
    return name.replace("_", " ") if name != text else text


def last(name: str) -> str:
    """Gives the id of a resource name, e.g. the key of `entities/UXMFA`."""
    return name.rpartition("/")[2]
