"""Generated metadata files, from right ones to noise: the same for the same seed, none kept."""

import itertools
import random
import string
from collections.abc import Callable, Iterator
from typing import Final

from services.catalog.domain.entities import EntityType
from services.catalog.domain.metadata.schema import FIELDS_OF, LISTS, SCHEMA, Kind

_KEYS: Final = ("AAAAA", "UXMFA", "28500", "93E72", "1E100", "00123", "0X1F5", "NULL0", "abcde", "")
_MILD: Final = (
    *("the", "a cart", "pole", "x_1", "Lyapunov", "of 2nd order", "Knoll", "{ä}", "(2022)", "10s"),
    *("<a@b.org>", "50 %", "ocse:Lorenz", "0.1.0", "2022-05-17", "solution.py", "水槽", "x^2"),
)
_WILD: Final = (
    *("control;", "'s", "a: b", "# no", "<", "@x", "`y`", "& c", "* d", "! e", "- f", "? g", "| h"),
    *(
        "> i",
        "[j",
        "]",
        "{",
        "}",
        ",",
        "=",
        "<<",
        "~",
        "null",
        "yes",
        "No",
        "TRUE",
        ".inf",
        "1_000",
    ),
    *(
        "0o17",
        "0b1",
        "1e5",
        "12:30:45",
        "2022-05-17 14:27:00",
        "1.0",
        "\U0001f600",
        "\xa0",
        "\u2028",
    ),
    *("\u202e", "e\u0301", "\ufeff", "\x85", "\t", "\\", '"', "\n", "\n# x", "\ng: h"),
)
_PIECES: Final = (
    *("key: ", "type: ", "name: ", "tag_list:", "- ", "[", "]", "{", "}", ": ", ",", "\n", "\n  "),
    *("'", '"', "&a ", "*a ", "!!str ", "!x ", "!!set ", "# ", "null", "AAAAA", "1E5", "notebook"),
    *(">", "|", ">-", "|2", "%YAML 1.1\n", "%TAG ! x:\n", "---", "...", "?", "\t", "é", "<<: *a"),
    *(
        "\r\n",
        "\r",
        "\0",
        "\x7f",
        "\ud800",
        "\x1b[31m",
        "\\",
        '"\\x00"',
        '"\\uFFFE"',
        "\ufeff",
        " ",
    ),
    *("=", "~", "@", "`", "- - - ", "? ? ", "[[[[", "{{", "a: " * 5, "  " * 20, "\n\n"),
)


def corpus(seed: int, count: int) -> Iterator[bytes]:
    """So many files."""
    for number in range(count):
        yield file(seed, number)


def file(seed: int, number: int) -> bytes:
    """One file of a corpus, by itself."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311  # nothing secret
    text = chance.choice(_MAKERS)(chance)
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return content[:20_000]


def right(chance: random.Random) -> str:
    """A file as people write it: known fields, most of them with fitting values."""
    type_ = chance.choice(list(EntityType))
    lines = ["---"] if chance.random() < 0.1 else []
    if chance.random() < 0.2:
        lines.append("#link to documentation with examples: https://example.org")
    names = [name for name in SCHEMA if name in FIELDS_OF[type_] and chance.random() < 0.9]
    for name in names:
        field = SCHEMA[name]
        if name == "key":
            lines.append(f"key:{' ' * chance.choice((1, 1, 2))}{_key(chance)}")
        elif name == "type":
            lines.append(f"type: {type_}")
        elif field.kind in LISTS:
            lines += _list(chance, name, field.kind)
        elif field.kind is Kind.DATA:
            lines.append(f"{name}:\n    a: [1, {_scalar(chance)}]\n    b:\n        - c")
        else:
            lines.append(f"{name}:{_value(chance, name)}")
    return "\n".join(lines) + chance.choice(("\n", "", "\n\n", " \n"))


def _key(chance: random.Random) -> str:
    signs = string.ascii_uppercase + string.digits
    return "".join(chance.choices(signs, k=5)) if chance.random() < 0.8 else chance.choice(_KEYS)


def _list(chance: random.Random, name: str, kind: Kind) -> list[str]:
    items = [
        chance.choice(("''", _key(chance) if kind is Kind.KEYS else _scalar(chance)))
        for _ in range(chance.choice((0, 1, 1, 2, 5)))
    ]
    if not items or chance.random() < 0.2:
        return [f"{name}: [{', '.join(items)}]"]
    return [f"{name}:", *(f"{' ' * 4}- {item}" for item in items)]


def _value(chance: random.Random, name: str) -> str:
    style = chance.random()
    if style < 0.15:
        return chance.choice((" ''", "", ' ""', " null", " ~", " []", " {}"))
    if name == "creation_date" and style < 0.8:
        return chance.choice((" 2022-05-17", " '2022-05-17'", " 2022-05-17 14:27:00", " 1.2.2020"))
    if style < 0.25:
        header = chance.choice(">|") + chance.choice(("", "-", "+", "2"))
        return f" {header}\n    {_words(chance)}\n    x"
    return f" {_scalar(chance)}"


def _scalar(chance: random.Random) -> str:
    words = _words(chance)
    style = chance.random()
    if style < 0.4:
        return "'" + words.replace("'", "''") + "'"
    if style < 0.6:
        escape = chance.choice(("", "", "", "", "\\n", "\\x41", "\\0", "\\u202e", "\\e", "\\_"))
        return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + escape + '"'
    return words


def _words(chance: random.Random) -> str:
    words = chance.choices(_MILD, k=chance.choice((1, 1, 2, 4, 8)))
    if chance.random() < 0.05:
        words.insert(chance.randrange(len(words) + 1), chance.choice(_WILD))
    return " ".join(words)


def plain(chance: random.Random) -> str:
    """A right file with texts of letters alone: the common form."""
    lines = ["key: " + _key(chance), f"type: {chance.choice(list(EntityType))}"]
    for name in chance.sample(list(SCHEMA), 12):
        quote = chance.choice(("", "'", '"'))
        words = "a" + " ".join(
            "".join(chance.choices("abcxyzäöü{}@<>()/.-_", k=chance.randint(1, 9)))
            for _ in range(chance.randint(1, 6))
        )
        text = f"{quote}{words}{quote}"
        lines.append(f"{name}:\n    - {text}" if SCHEMA[name].kind in LISTS else f"{name}: {text}")
    return "\n".join(lines) + "\n"


def mutated(chance: random.Random) -> bytes:
    """A right file with a few bytes, lines or constructs changed."""
    content = bytearray(right(chance).encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(len(content) + 1)
        what = chance.random()
        if what < 0.3:
            piece = chance.choice(_PIECES).encode("utf-8", "surrogatepass")
            content[place:place] = piece
        elif what < 0.5:
            del content[place : place + chance.choice((1, 1, 3, 30))]
        elif what < 0.7:
            content[place : place + 1] = bytes([chance.randrange(256)])
        else:
            lines = bytes(content).split(b"\n")
            line = chance.randrange(len(lines))
            lines.insert(chance.randrange(len(lines) + 1), lines[line])
            if chance.random() < 0.5:
                lines[line] = b" " * chance.randrange(9) + lines[line].lstrip()
            content = bytearray(b"\n".join(lines))
    return bytes(content)


def constructs(chance: random.Random) -> str:
    """What YAML has, in any order."""
    return "".join(chance.choices(_PIECES, k=chance.randint(0, 60)))


def noise(chance: random.Random) -> bytes:
    """Any bytes."""
    return chance.randbytes(chance.choice((0, 1, 5, 50, 500)))


def unicode_noise(chance: random.Random) -> str:
    """Any characters, in a field."""
    signs = "".join(chr(chance.randrange(chance.choice((0x300, 0x11000)))) for _ in range(40))
    return f"key: AAAAA\ntype: comment\nname: {chance.choice(('', chr(34)))}{signs}\n"


def deep(chance: random.Random) -> str:
    """Collections in each other, aliases of aliases, and long lists."""
    depth = chance.choice((3, 15, 25, 200, 3000))
    opening = chance.choice(("[", "{a: ", "- ", "? ", "a:\n "))
    if opening.endswith("\n "):
        return "".join(f"{' ' * level}a:\n" for level in range(min(depth, 190)))
    if chance.random() < 0.3:
        names = string.ascii_lowercase[: chance.randint(2, 20)]
        lines = [f"{names[0]}: &{names[0]} [{', '.join('x' * 9)}]"]
        for before, name in itertools.pairwise(names):
            lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
        return "\n".join(lines)
    return f"key: AAAAA\nnotes: {opening * depth}" if chance.random() < 0.5 else opening * depth


def long(chance: random.Random) -> str:
    """Much of one thing."""
    count = chance.choice((200, 1_000, 3_000))
    name = chance.choice(list(SCHEMA))
    piece = chance.choice(
        ("x", "é", "x ", "'", "\\", "<", "1", "- a\n", "  - [b]\n", f"{name}: a\n")
    )
    return f"key: AAAAA\ntype: comment\n{name}: {piece * count}"


_MAKERS: Final[tuple[Callable[[random.Random], str | bytes], ...]] = (
    *(right, right, plain, plain, mutated, mutated, mutated, mutated, constructs, constructs),
    *(noise, unicode_noise, deep, long),
)
