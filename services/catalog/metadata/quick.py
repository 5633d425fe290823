"""Parses `metadata.yml` in its common form with ryaml, several times as fast as PyYAML.

It answers only where PyYAML would surely read the same: ryaml has the same scanner (libyaml), but
another idea of what is a number, and it neither keeps positions nor shows tags and aliases. So the
text must hold nothing of these, only known fields, and no values but text, nothing, and lists of
both; then nothing is left to interpret. Everything else is read carefully.
"""

import re
from typing import Any, Final

import ryaml

from services.catalog.domain.entities import Value
from services.catalog.domain.metadata.documents import LIST_FIELDS, TEXT_FIELDS

_MAX_BYTES: Final = 32 * 1024
_UNUSUAL: Final = re.compile(
    "[^\n -~\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Characters that parsers may take differently, or that no text may hold."""
_USUAL: Final = bytes([10, *range(32, 127)])
"""The same for ASCII: the characters that are fine."""
_SPECIAL: Final = re.compile(r"(?:\A|[\s\[\]{},:?-])[&*!]")
"""Where an anchor, an alias or a tag may begin."""
UNINDENTED: Final = re.compile(r"\n(?![ #]|[A-Za-z_][A-Za-z0-9_]*:|-(?: |--)|\.\.\.|\n|\Z)")
"""A line that begins with something that no line of metadata begins with: it goes on with text."""
_KNOWN: Final = TEXT_FIELDS | LIST_FIELDS


def quick_values(content: bytes) -> dict[str, Value] | None:
    """The values of a file without problems in the common form; None where it is not surely one."""
    if len(content) > _MAX_BYTES:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if _is_unusual(content, text):
        return None
    try:
        values: Any = ryaml.loads(text)  # type: ignore[attr-defined]  # re-exported without saying so
    except (ValueError, TypeError, RecursionError):
        return None
    if type(values) is not dict or not values or not values.keys() <= _KNOWN:
        return None
    for value in values.values():
        if value is None or type(value) is str:
            continue
        if type(value) is not list or any(
            item is not None and type(item) is not str for item in value
        ):
            return None
    if "\\" in text and _has_unusual_value(values):
        return None
    return values


def _is_unusual(content: bytes, text: str) -> bool:
    if content.isascii():
        if content.translate(None, _USUAL):
            return True
    elif _UNUSUAL.search(text):
        return True
    if (b"&" in content or b"*" in content or b"!" in content) and _SPECIAL.search(text):
        return True
    return (
        b"\n%" in content
        or b"\n---" in content
        or b"\n..." in content
        or content.startswith((b"%", b"..."))
        or (content.startswith(b"---") and not content.startswith(b"---\n"))
        or UNINDENTED.search(text) is not None
    )


def _has_unusual_value(values: dict[str, Any]) -> bool:
    r"""Whether an escape, such as `\0` in double quotes, made a character that no text may hold."""
    for value in values.values():
        for text in value if type(value) is list else (value,):
            if text is not None and _UNUSUAL.search(text):
                return True
    return False
