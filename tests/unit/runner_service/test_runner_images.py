"""References to images, what they are called, and how far a transfer is."""

from pathlib import Path
from typing import Any

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services.errors import EnvironmentUnavailableError, InvalidArgumentError
from services.runner.checks.messages import assignment_of
from services.runner.domain.images import (
    ENVIRONMENT_LABEL,
    Image,
    normalised,
    require_pin,
    require_registry,
    require_tag,
)
from services.runner.engine.transfers import Transfer
from services.runner.environments import Environments
from services.runner.workplaces.processes import ProcessBackend
from tests.runner_builders import assignment, small_runner, write_definition

DIGITS = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("latest", ""),
        ("1.2.0", "1.2.0"),
        ("candidate_2-a", "candidate_2-a"),
        (DIGITS, DIGITS),
        (f"sha256:{DIGITS}", DIGITS),
        ("sha256:0123456789ab", "0123456789ab"),
    ],
)
def test_references(given: str, kept: str) -> None:
    """A tag, or digits of a digest; `latest` is what is in use anyway."""
    assert kept == normalised(given)


@pytest.mark.parametrize(
    "given", ["", ".hidden", "a/b", "a:b", "sha256:xyz", "sha256:0123", "x" * 129]
)
def test_no_references(given: str) -> None:
    """What could mean something else to the engine is refused."""
    with pytest.raises(InvalidArgumentError):
        normalised(given)


def test_a_tag_is_no_digest() -> None:
    """A tag that reads like digits of a digest would never be found again."""
    assert "1.0" == require_tag("1.0")
    with pytest.raises(InvalidArgumentError, match="name a digest"):
        require_tag("0123456789ab")


def test_an_environment_and_its_images(tmp_path: Path) -> None:
    """Each image has an identity of its own; an alias leads to the same one."""
    write_definition(tmp_path, "demo_environment", aliases=("old_environment",))
    environments = Environments([tmp_path])
    used = environments.get("demo_environment")
    assert ("demo_environment", "ackrep/demo_environment:latest") == (used.identity, used.image)
    assert used == environments.get("environments/demo_environment@latest")
    tagged = environments.get("environments/old_environment@1.2.0")
    assert ("demo_environment@1.2.0", "ackrep/demo_environment:1.2.0") == (
        tagged.identity,
        tagged.image,
    )
    one = environments.get(f"demo_environment@sha256:{DIGITS}", tag="1.2.0")
    assert (f"demo_environment@{DIGITS}", "1.2.0") == (one.identity, one.tag)
    assert one == environments.get(f"demo_environment@{DIGITS}"), "a hint makes no other image"


def test_a_lease_may_name_an_image() -> None:
    """The image of a promotion takes the place of the environment; its tag is a hint."""
    lease = dispatch_pb2.Lease(check=check_pb2.Check(environment="environments/a_environment"))
    assert ("environments/a_environment", "") == (
        assignment_of(lease).environment,
        assignment_of(lease).environment_tag,
    )
    lease.environment_image = f"environments/a_environment@{DIGITS}"
    lease.environment_tag = "1.2.0"
    assert (lease.environment_image, "1.2.0") == (
        assignment_of(lease).environment,
        assignment_of(lease).environment_tag,
    )


async def test_images_of_one_environment_beside_each_other(tmp_path: Path) -> None:
    """A check in a promoted image and one in the image in use each run in theirs."""
    async with small_runner(tmp_path, slots=2) as runner:
        promoted = f"demo_environment@{DIGITS}"
        runner.backend.digests = {"demo_environment": "sha256:1", promoted: "sha256:2"}
        runner.add(assignment("checks/1"))
        runner.add(assignment("checks/2", environment=promoted))
        places = [(await runner.dispatch.report(f"checks/{n}")).workplace for n in (1, 2)]
    assert [("demo_environment", "sha256:1"), ("demo_environment", "sha256:2")] == [
        (place.environment, place.environment_digest) for place in places if place is not None
    ]


async def test_a_virtual_environment_goes_by_its_digest(tmp_path: Path) -> None:
    """The process backend serves what it has under its digest too, and nothing else."""
    write_definition(tmp_path)
    environments = Environments([tmp_path])
    backend = ProcessBackend(tmp_path / "state", reason="a test")
    made = await backend.prepare(environments.get("demo_environment"), lambda *_: None)
    digits = made.removeprefix("sha256:")
    same = environments.get(f"demo_environment@{digits}")
    assert made == await backend.digest(same) == await backend.prepare(same, lambda *_: None)
    other = environments.get(f"demo_environment@{'0' * 64}")
    with pytest.raises(EnvironmentUnavailableError, match="process backend has no images"):
        await backend.prepare(other, lambda *_: None)


async def test_processes_have_no_images(tmp_path: Path) -> None:
    """The process backend says that it cannot run one image of an environment."""
    write_definition(tmp_path)
    definition = Environments([tmp_path]).get("demo_environment@1.2.0")
    backend = ProcessBackend(tmp_path / "state", reason="a test")
    with pytest.raises(EnvironmentUnavailableError, match="process backend has no images"):
        await backend.digest(definition)
    with pytest.raises(EnvironmentUnavailableError, match="process backend has no images"):
        await backend.prepare(definition, lambda *_: None)


@pytest.mark.parametrize(
    "address", ["", "localhost:5000", "registry.example.org", "registry.example.org:443/group/sub"]
)
def test_registries(address: str) -> None:
    """Host, port and path; a slash at the end changes nothing."""
    assert address == require_registry(f"{address}/" if address else "")


@pytest.mark.parametrize("address", ["https://registry.example.org", "me:secret@registry", "A.org"])
def test_no_registries(address: str) -> None:
    """Addresses with a scheme or a user are refused, and not repeated in the error."""
    with pytest.raises(InvalidArgumentError) as refused:
        require_registry(address)
    assert address not in refused.value.message


def test_pins(tmp_path: Path) -> None:
    """A definition may pin an image of its own name by digest, and nothing else."""
    pin = f"registry.example.org/demo_environment@sha256:{DIGITS}"
    assert pin == require_pin(pin, environment="demo_environment")
    path = write_definition(tmp_path)
    path.write_text(path.read_text() + f'image = "{pin}"\n')
    assert pin == Environments([tmp_path]).get("demo_environment").pinned
    for wrong in (
        "demo_environment",
        f"r/other_environment@sha256:{DIGITS}",
        "r/demo_environment:1",
    ):
        with pytest.raises(InvalidArgumentError, match="`image`"):
            require_pin(wrong, environment="demo_environment")


def test_whose_image_it_is() -> None:
    """The label decides; without one, the names that it has on this machine."""
    named = Image(id="sha256:1", references=("ackrep/a_environment:latest", "x:y"))
    assert named.belongs_to("a_environment", "ackrep/a_environment")
    assert not named.belongs_to("y", "ackrep/y")
    assert ("latest",) == named.tags("ackrep/a_environment", "")
    labelled = Image(
        id="sha256:1",
        labels={ENVIRONMENT_LABEL: "b_environment"},
        references=("ackrep/a_environment:latest",),
    )
    assert not labelled.belongs_to("a_environment", "ackrep/a_environment")
    assert labelled.belongs_to("b_environment")
    pulled = Image(id="sha256:1", manifests=("r.org/a_environment@sha256:2",))
    assert ("sha256:2",) == pulled.manifests_in("r.org/a_environment")
    assert pulled.belongs_to("a_environment", "r.org/a_environment")


def test_bytes_of_all_layers_are_summed_up() -> None:
    """What is there already is no part of the work; the part done never falls."""

    def moving(layer: str, current: int) -> dict[str, Any]:
        detail = {"current": current, "total": 2 * 10**6}
        return {"status": "Downloading", "id": layer, "progressDetail": detail}

    transfer = Transfer("pulling r/x:latest")
    steps: list[dict[str, Any]] = [
        {"status": "Pulling from x", "id": "latest"},
        {"status": "Already exists", "id": "a"},
        {"status": "Pulling fs layer", "id": "b"},
        {"status": "Pulling fs layer", "id": "c"},
        {
            "status": "Downloading",
            "id": "b",
            "progressDetail": {"current": 10**6, "total": 2 * 10**6},
        },
        {"status": "Downloading", "id": "c", "progressDetail": {"current": 0, "total": 2 * 10**6}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 2 * 10**6}},
        {"status": "Extracting", "id": "b", "progressDetail": {"current": 1, "total": 9}},
        {"status": "Pull complete", "id": "b"},
        {"status": "Download complete", "id": "c"},
        {"status": "Pull complete", "id": "c"},
        {"status": "Digest: sha256:1"},
    ]
    heard = [transfer.hear(step) for step in steps]
    assert ("pulling r/x:latest", None) == heard[0]
    parts = [part for _, part in heard if part is not None]
    assert parts == sorted(parts)
    assert all(0 <= part <= 1 for part in parts)
    assert ("pulling r/x:latest: 2.0 of 4.0 MB", 0.5) == heard[6]
    assert ("pulling r/x:latest: 4.0 of 4.0 MB", 1.0) == heard[-1]
