"""An image that breaks what another one lets succeed: tried, refused, forced, taken back."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.runner.engine.containers import Engine
from tests.flavours import CANDIDATE, NAME, Flavours, running_flavours

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture
async def flavours(tmp_path: Path, docker_engine: Engine) -> AsyncIterator[Flavours]:
    """A running system with two images of one environment."""
    async with running_flavours(tmp_path, docker_engine) as project:
        yield project


def test_no_image_is_in_use_without_its_verdicts(flavours: Flavours) -> None:
    """The trial says what would break; promotion is refused, forced with a reason, and reverted."""
    verdict, own = flavours.checked("ONLY1")
    assert "success" == verdict

    trial = flavours.document("env", "try", CANDIDATE, code=1)
    changes = {change["key"]: change for change in trial["comparison"]["changes"]}
    assert {"ONLY1": "broken", "ONLY2": "repaired", "EITHR": "unchanged", "NUMBR": "numbers"} == {
        key: change["kind"] for key, change in changes.items()
    }
    assert ("success", "script_error") == (
        changes["ONLY1"]["baseVerdict"],
        changes["ONLY1"]["otherVerdict"],
    )
    assert "only_in_1" in changes["ONLY1"]["message"]
    [number] = changes["NUMBR"]["numbers"]
    assert ("final_state_errors", pytest.approx(1e-9, rel=1e-3)) == (
        number["name"],
        number["absolute"],
    )
    new = trial["candidateDigest"]
    assert own == trial["baseDigest"] != new
    assert "ONLY1" in trial["obstacle"]

    refused = flavours.run("env", "promote", CANDIDATE)
    assert 1 == refused.returncode
    assert "breaks 1 entity (ONLY1)" in refused.stderr
    assert ("success", own) == flavours.checked("ONLY1")

    forced = ("--force", "--reason", "flavour 2 is the future")
    promotion = flavours.document("env", "promote", CANDIDATE, *forced)
    assert (new, True, "flavour 2 is the future") == (
        promotion["digest"],
        promotion["forced"],
        promotion["reason"],
    )
    assert ("success", new) == flavours.checked("ONLY2")
    assert ("script_error", new) == flavours.checked("ONLY1")

    flavours.document("env", "revert", NAME, "--reason", "ONLY1 is needed after all")
    assert ("success", own) == flavours.checked("ONLY1")
    history = [
        json.loads(line) for line in flavours.run("env", "promotions", "--json").stdout.splitlines()
    ]
    assert [("ONLY1 is needed after all", False), ("flavour 2 is the future", True)] == [
        (one["reason"], one.get("forced", False)) for one in history
    ]


def test_a_trial_is_told_for_people(flavours: Flavours) -> None:
    """A table with what changes first, the obstacle, and the command that promotes all the same."""
    done = flavours.run("env", "try", CANDIDATE)

    assert 1 == done.returncode, done.stderr
    lines = done.stdout.splitlines()
    order = [line.split()[0] for line in lines if re.match(r" *(ONLY1|ONLY2|NUMBR|EITHR) ", line)]
    assert ["ONLY1", "ONLY2", "NUMBR"] == order
    assert "4 entities: 1 broken, 1 repaired, 1 other numbers, 1 unchanged" in done.stdout
    assert "Not to be promoted: it breaks 1 entity (ONLY1)" in done.stdout
    assert f"ackrep env promote {CANDIDATE} --force --reason TEXT" in done.stdout

    missing = flavours.run("env", "try", f"{NAME}@missing")
    assert 1 == missing.returncode
    assert f"It cannot be promoted: nothing ran in {NAME}@missing" in missing.stdout
