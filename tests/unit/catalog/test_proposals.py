"""Where forks may be, and what differs: the pure parts of proposals."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Entity, EntityType, TreeChange
from services.catalog.domain.proposal_diffs import (
    FieldDiff,
    Kind,
    changed_files,
    entity_diffs,
    field_diffs,
    new_diagnostics,
)
from services.catalog.domain.proposals import Draft, proposal_of
from services.catalog.proposals.addresses import Addresses, is_public
from services.catalog.sources.remotes import Remote
from services.errors import InvalidArgumentError

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
    *("::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1", "2001:0:1::1", "nonsense", ""),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """Whatever leads into a network of our own is not public, however it is written."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["140.82.121.4", "2a00:1450:4001:82a::200e", "::ffff:140.82.121.4", "64:ff9b::8c52:7904"],
)
def test_public_addresses(address: str) -> None:
    """Others are."""
    assert is_public(address)


def resolver(*found: str, asked: list[tuple[str, int]] | None = None) -> Addresses:
    """Addresses of a world in which every host is at these."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        if asked is not None:
            asked.append((host, port))
        return found

    return Addresses(local=False, hosts=("Forge.Example",), resolver=resolve)


def https(addresses: Addresses, host: str) -> Remote:
    """The address of a fork at a host."""
    found = addresses.read(f"https://{host}/fork")
    assert isinstance(found, Remote)
    return found


async def test_git_goes_where_was_looked() -> None:
    """The addresses that were judged are those that git uses, with the port of the address."""
    asked: list[tuple[str, int]] = []
    addresses = resolver("140.82.121.4", "2a00:1450::1", asked=asked)
    pinned = await addresses.pinned(https(addresses, "forge.example:8443"))
    assert "forge.example:8443:140.82.121.4,[2a00:1450::1]" == pinned
    assert [("forge.example", 8443)] == asked


async def test_hosts_that_are_named() -> None:
    """Only they are fetched from, and they may be private."""
    addresses = resolver("10.0.0.1")
    assert await addresses.pinned(https(addresses, "FORGE.example"))
    with pytest.raises(InvalidArgumentError, match=r"only from forge\.example"):
        https(addresses, "other.example")


@pytest.mark.parametrize("found", [("10.0.0.1",), ("140.82.121.4", "127.0.0.1"), ()])
async def test_one_private_address_is_enough(found: tuple[str, ...]) -> None:
    """A host that is not named is fetched from only if all its addresses are public."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return found

    addresses = Addresses(local=False, resolver=resolve)
    with pytest.raises(InvalidArgumentError, match="not public"):
        await addresses.pinned(https(addresses, "forge.example"))


def test_paths_need_a_setting() -> None:
    """A path is one only where the operator allows it, and then an absolute one."""
    assert Path("/data/fork") == Addresses(local=True).read("/data/fork")
    assert Path("/data/fork") == Addresses(local=True).read("file:///data/fork")
    for text in ("fork", "../fork", "~/fork", "file://elsewhere/x", "-x", ""):
        with pytest.raises(InvalidArgumentError):
            Addresses(local=True).read(text)
    with pytest.raises(InvalidArgumentError, match="PROPOSAL_LOCAL"):
        Addresses(local=False).read("/data/fork")


def test_texts_are_bounded() -> None:
    """Titles are one line, and neither they nor descriptions are endless."""
    Draft(title="x" * 200, description="y\n" * 5000).check()
    for draft in (Draft(title="x" * 201), Draft(title="a\nb"), Draft(description="y" * 10_001)):
        with pytest.raises(InvalidArgumentError):
            draft.check()


def test_only_overlays_belong_to_proposals() -> None:
    """A source that merely looks like the name of a proposal is none."""
    assert "proposals/AB3DE" == proposal_of("proposals/AB3DE")
    for source in ("", "/proposals/AB3DE", "proposals/ab3de", "proposals/AB3DEF", "x/proposals/A"):
        assert "" == proposal_of(source)


def entity(key: str, **values: object) -> Entity:
    """An entity."""
    base = Entity(
        key=key,
        type=EntityType.SYSTEM_MODEL,
        title=key,
        path=f"models/{key}",
        tree="1" * 40,
        metadata={"key": key, "tag_list": ["a"]},
    )
    return replace(base, **values)  # type: ignore[arg-type]  # names of fields


def test_entities_with_their_files() -> None:
    """Each file belongs to the innermost entity that differs, or to none."""
    files = changed_files(
        [
            TreeChange("models", 0o40000, "a" * 40, 0o40000, "b" * 40),
            TreeChange("models/A/sub/x.py", 0o100644, "1" * 40, 0o100644, "2" * 40),
            TreeChange("models/A/inner/y.py", 0, "0" * 40, 0o100644, "3" * 40),
            TreeChange("old/B/z.py", 0o100644, "4" * 40, 0, "0" * 40),
            TreeChange("README.md", 0, "0" * 40, 0o120000, "5" * 40),
            TreeChange("module", 0, "0" * 40, 0o160000, "6" * 40),
        ]
    )
    before = {
        "AAAAA": entity("AAAAA", path="models/A"),
        "BBBBB": entity("BBBBB", path="old/B"),
        "SAME1": entity("SAME1"),
    }
    after = {
        "AAAAA": entity("AAAAA", path="models/A", tree="2" * 40, metadata={"tag_list": ["b"]}),
        "INNER": entity("INNER", path="models/A/inner"),
        "BBBBB": entity("BBBBB", path="new/B"),
        "SAME1": entity("SAME1"),
    }
    found, others = entity_diffs(before, after, files)
    assert [
        ("AAAAA", Kind.MODIFIED, ["models/A/sub/x.py"]),
        ("BBBBB", Kind.MODIFIED, ["old/B/z.py"]),
        ("INNER", Kind.ADDED, ["models/A/inner/y.py"]),
    ] == [(one.entity.key, one.kind, [file.path for file in one.files]) for one in found]
    assert ["README.md", "module"] == [file.path for file in others]
    assert (True, True) == (others[0].link, others[1].binary)
    assert FieldDiff(field="folder", before="old/B", after="new/B") == found[1].fields[0]


def test_fields_that_differ() -> None:
    """Lists are written as JSON; fields that came and went are there with nothing beside them."""
    old = entity("AAAAA", metadata={"gone": "x", "tag_list": ["a"], "same": 1})
    new = entity("AAAAA", metadata={"same": 1, "tag_list": ["a", "ü"], "new": True})
    assert (
        FieldDiff(field="tag_list", before='["a"]', after='["a", "ü"]'),
        FieldDiff(field="new", before="", after="true"),
        FieldDiff(field="gone", before="x", after=""),
    ) == field_diffs(old, new)


def test_a_line_that_moved_is_no_new_diagnostic() -> None:
    """What was wrong before is not new because a line was added above; two equal ones are two."""
    one = Diagnostic(path="a", line=3, code="dangling-reference", message="m", remedy="r")
    moved = replace(one, line=4)
    other = replace(one, path="b")
    assert ((), 0, 1) == new_diagnostics([one], [moved])
    assert ((moved,), 0, 1) == new_diagnostics([one], [one, moved])
    assert ((other,), 1, 0) == new_diagnostics([one], [other])
