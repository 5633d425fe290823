"""What lies in an archive under which name."""

import hashlib
import posixpath
import random
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from services.catalog.domain.content.archive_layout import Layout, laid_out
from services.catalog.domain.entities import SYMLINK_MODE, TreeEntry


def layout(*files: str, links: Mapping[str, str] | None = None) -> Layout:
    """Lays out files, and links by path and text."""
    texts = {path: target.encode() for path, target in (links or {}).items()}
    ids = {path: hashlib.sha1(text).hexdigest() for path, text in texts.items()}  # noqa: S324
    return laid_out(
        [
            *(TreeEntry(path=path, mode=0o100644, id="0" * 40, size=1) for path in files),
            *(TreeEntry(path=path, mode=SYMLINK_MODE, id=id_) for path, id_ in ids.items()),
        ],
        links={ids[path]: text for path, text in texts.items()},
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models/a/model.py", "models/a/model.py"),
        ("größe und 日本.py", "größe und 日本.py"),
        ("a:b.py", "a%3Ab.py"),
        ("..\\..\\evil.exe", "..%5C..%5Cevil.exe"),
        ('a<b>c"d|e?f*g', "a%3Cb%3Ec%22d%7Ce%3Ff%2Ag"),
        ("new\nline\x7f", "new%0Aline%7F"),
        ("dot./x", "dot%2E/x"),
        ("space /x ", "space%20/x%20"),
        ("con", "%63on"),
        ("NUL.py/aux.txt", "%4EUL.py/%61ux.txt"),
        ("com1 .py", "%63om1 .py"),
        ("console.py", "console.py"),
        ("\u202egnp.exe", "%E2%80%AEgnp.exe"),
        ("100%.py", "100%.py"),
        ("manifest.json", "manifest~2.json"),
        ("...", "..%2E"),
    ],
)
def test_names(path: str, name: str) -> None:
    """A name that some system cannot write is encoded; all others stay as they are."""
    (member,) = layout(path).members

    assert name == member.name


def test_long_names() -> None:
    """A name that is longer than file systems take is cut, and stays different from others."""
    members = layout("ä" * 150 + "1.py", "ä" * 150 + "2.py").members

    assert 2 == len({member.name for member in members})
    assert all(len(member.name.encode()) < 255 for member in members)
    assert all(member.name.endswith(".py") for member in members)


def test_equal_names() -> None:
    """Names that Windows or macOS take for the same get numbers, folders too."""
    found = layout("Readme.md", "README.md", "a/x", "A/y", "a\u0308", "\u00e4", "readme~2.md")

    folded = [member.name.casefold() for member in found.members]
    assert len(folded) == len(set(folded))
    assert {"README.md", "A/y", "a~2/x"} <= {member.name for member in found.members}
    assert "a/x" in found.renamed


LINKS = {
    "direct": ("d/f", "d/f"),
    "folder": ("d", "d"),
    "d/up": ("../d/e/g", "e/g"),
    "chain": ("direct", "d/f"),
    "through": ("folder/e/../f", "d/f"),
    "top": (".", "."),
    "absolute": ("/etc/passwd", None),
    "above": ("../x", None),
    "d/e/above": ("../../../x", None),
    # Each alone stays inside; only together they leave.
    "d/e/deep": ("../..", "../.."),
    "escape": ("d/e/deep/..", None),
    "dangling": ("nothing", None),
    "d/through_nothing": ("nothing/../f", None),
    "loop": ("loop", None),
    "ping": ("pong", None),
    "pong": ("ping", None),
    "empty": ("", None),
    "windows": ("..\\..\\x", None),
    "git": (".git/config", None),
}


@pytest.mark.parametrize("link", LINKS)
def test_links(link: str) -> None:
    """A link leads straight to a file or folder of the archive, or is left out and named."""
    found = layout("d/f", "d/e/g", links={path: text for path, (text, _) in LINKS.items()})
    targets = {member.name: member.target for member in found.members}

    assert LINKS[link][1] == targets.get(link)
    assert (LINKS[link][1] is None) == (link in found.left_out)


def test_links_to_renamed() -> None:
    """A link to what has another name in the archive leads there."""
    found = layout("a:b/c?", links={"x/link": "../a:b/c?"})

    assert "../a%3Ab/c%3F" == found.members[-1].target


def test_many_steps() -> None:
    """A link that is made to cost time leads nowhere."""
    long = "/".join(["d", ".."] * 10_000)
    found = layout("d/f", links={f"l{number}": long + "/d/f" for number in range(50)})

    assert 50 == len(found.left_out)


def test_names_of_bytes() -> None:
    """A name that is no UTF-8 is left out and named."""
    found = layout("good", "bad\udcff")

    assert ["good"] == [member.name for member in found.members]
    assert {"bad\\xff": "the name is no UTF-8"} == found.left_out


DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", re.IGNORECASE)


def is_harmless(name: str) -> bool:
    """Whether Windows takes a path for what it is: relative, downwards, writable."""
    path = PureWindowsPath(name)
    parts = name.split("/")
    return (
        not path.is_absolute()
        and not path.drive
        and not any(
            re.match(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", p, re.IGNORECASE) for p in parts
        )
        and tuple(parts) == path.parts
        and not any(part in {"", ".", ".."} or part[-1] in ". " for part in parts)
        and not re.search(r'[\x00-\x1f<>:"\\|?*]', name)
    )


@pytest.mark.parametrize("seed", range(20))
def test_any_names(seed: int) -> None:
    """Whatever names and links strangers choose, the archive is harmless and complete."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    alphabet = [*"aAbB.~12 :\\*?<>|\"'%$\n\t\x7fäÄé", "e\u0301", "\u202e", "con", "NUL.", "..", "ﬁ"]
    paths: set[str] = set()
    for _ in range(300):
        parts = [
            "".join(chance.choices(alphabet, k=chance.randint(1, 4)))
            for _ in range(chance.randint(1, 4))
        ]
        path = "/".join(parts)
        clash = any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in paths)
        if not clash and not any(part in {".", ".."} for part in parts):
            paths.add(path)
    files = sorted(paths)
    texts = ["../" * chance.randint(0, 5) + chance.choice(files) for _ in range(100)]
    links = {f"links{number}/l": text for number, text in enumerate(texts)}
    found = layout(*files, links=links)

    names = [member.name for member in found.members]
    assert len(files) == sum(member.target is None for member in found.members)
    assert [] == [name for name in names if not is_harmless(name)]
    folded = {unicodedata.normalize("NFC", name).casefold() for name in names}
    assert len(names) == len(folded)
    folders = {parent for name in folded for parent in map(str, PurePosixPath(name).parents)}
    assert not folded & folders
    for member in found.members:
        if member.target is not None:
            end = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.target))
            assert any(name == end or name.startswith(f"{end}/") for name in names)


def test_order() -> None:
    """The order of entries has no part in the result."""
    paths = ["b", "A", "a", "B", "c/d", "C/d"]

    assert layout(*paths) == layout(*reversed(paths))
