"""Keys that somebody may have meant: those one slip of the finger away from what is written.

Everything here is local: whether a key is suggested depends on the two texts alone, so that it
can be found by look-ups, and known which misspelt references a new key concerns.
"""

from collections.abc import Callable, Iterator
from typing import Final

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LENGTH: Final = 5


def candidate_keys(written: str) -> list[str]:
    """Keys that somebody who wrote this may have meant, best first; most of them do not exist.

    The same in capitals, two neighbours swapped, one character wrong, missing or too many.
    """
    text = written.strip().upper()
    found = dict.fromkeys(_candidates(text))
    found.pop(written, None)
    return list(found)


def _candidates(text: str) -> Iterator[str]:
    if len(text) == _LENGTH:
        yield text
        yield from _swapped(text)
        for place in range(_LENGTH):
            for character in _ALPHABET:
                yield text[:place] + character + text[place + 1 :]
    elif len(text) == _LENGTH - 1:
        for place in range(_LENGTH):
            for character in _ALPHABET:
                yield text[:place] + character + text[place:]
    elif len(text) == _LENGTH + 1:
        yield from _shortened(text)


def similar_keys(written: str, exists: Callable[[str], bool], *, limit: int = 3) -> list[str]:
    """At most so many existing keys that somebody who wrote this may have meant, best first."""
    found: list[str] = []
    for key in candidate_keys(written):
        if exists(key):
            found.append(key)
            if len(found) == limit:
                break
    return found


def marks_of_text(written: str) -> set[str]:
    """Marks of a text: those of a key are among them where the key is a candidate for the text."""
    text = written.strip().upper()
    if len(text) == _LENGTH:
        return {f"={text}", *(f"={key}" for key in _swapped(text)), *_with_gap(text)}
    if len(text) == _LENGTH - 1:
        return {f"-{text}"}
    if len(text) == _LENGTH + 1:
        return {f"={key}" for key in _shortened(text)}
    return set()


def marks_of_key(key: str) -> set[str]:
    """Marks of a key, to find the texts for which it is a candidate."""
    return {f"={key}", *_with_gap(key), *(f"-{text}" for text in _shortened(key))}


def _swapped(text: str) -> Iterator[str]:
    for place in range(len(text) - 1):
        yield text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _shortened(text: str) -> Iterator[str]:
    for place in range(len(text)):
        yield text[:place] + text[place + 1 :]


def _with_gap(text: str) -> Iterator[str]:
    for place in range(len(text)):
        yield f"{text[:place]}\0{text[place + 1 :]}"
