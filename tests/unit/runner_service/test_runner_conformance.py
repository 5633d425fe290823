"""Which facts about a container and its engine are fatal, and which are only recorded."""

import pytest

from services.runner.workplaces.conformance import TOP_RUNG, degradations, faults, outdated

FINE = {
    "interfaces": [],
    "egress": [],
    "capabilities": ["setuid", "setgid", "chown", "kill", "dac_override"],
    "root_writable": False,
    "no_new_privs": True,
    "seccomp": True,
    "landlock": 7,
    "limits": {"file": True, "open_files": True, "processes": True},
    "memory_limit": 1000,
    "processes_limit": 10,
    "refused_rungs": {},
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"interfaces": ["lo", "eth0"]}, "eth0"),
        ({"egress": ["192.0.2.1"]}, "192.0.2.1"),
        ({"capabilities": ["setuid", "sys_admin"]}, "sys_admin"),
        ({"root_writable": True}, "writable"),
        ({"no_new_privs": False}, "no_new_privs"),
        ({"limits": {"file": False, "processes": True}}, "limits do not bite in it (file)"),
    ],
)
def test_a_loose_container_is_fatal(change: dict[str, object], words: str) -> None:
    """Egress, capabilities, a writable root and limits without effect are named as faults."""
    assert [] == faults(FINE)
    (fault,) = faults({**FINE, **change})
    assert words in fault


@pytest.mark.parametrize(
    ("change", "rung", "words"),
    [
        ({}, "none", "fresh one"),
        ({"refused_rungs": {"landlock+seccomp+uid": "no way"}}, "uid", "no way"),
        ({"landlock": 3}, TOP_RUNG, "version 3 of Landlock"),
        ({"seccomp": False}, TOP_RUNG, "seccomp profile"),
        ({"memory_limit": None}, TOP_RUNG, "limit the memory"),
        ({"memory_limit": 1001}, TOP_RUNG, "limit the memory"),
        ({"processes_limit": None}, TOP_RUNG, "limit the processes"),
    ],
)
def test_a_missing_rung_is_recorded_not_fatal(
    change: dict[str, object], rung: str, words: str
) -> None:
    """What is missing in a container that is fit is said, with the reason where there is one."""
    assert () == degradations(FINE, rung=TOP_RUNG, memory_bytes=1000, processes=10)
    found = degradations({**FINE, **change}, rung=rung, memory_bytes=1000, processes=10)
    assert words in " | ".join(found)
    assert all(text.startswith("degraded confinement: ") for text in found)


@pytest.mark.parametrize(
    ("version", "escapes"),
    [
        ("1.0.0-rc95", "CVE-2024-21626"),
        ("1.1.5+ds1-1+deb12u1", "CVE-2024-21626"),
        ("1.1.12", "CVE-2025-31133"),
        ("v1.2.7", "CVE-2025-31133"),
        ("1.3.2", "CVE-2025-31133"),
        ("1.4.0-rc.2", "CVE-2025-31133"),
        ("1.2.8", ""),
        ("1.3.3-0-gd842d771", ""),
        ("1.4.0-rc.3", ""),
        ("1.4.0", ""),
        ("2.0.0", ""),
        ("unknown", ""),
    ],
)
def test_known_escapes_are_reported(version: str, escapes: str) -> None:
    """A runc with known ways out of its containers is named with them; a fixed one is not."""
    found = " ".join(outdated({"Engine": "20.10.24", "runc": version}))
    assert bool(escapes) == bool(found)
    assert escapes in found
    assert ("CVE-2024-21626" in found) == (escapes == "CVE-2024-21626")


def test_other_runtimes_are_not_judged() -> None:
    """An engine that does not name runc is not said to be outdated."""
    assert () == outdated({"crun": "1.8"})
