"""What the runner decides by itself."""

from pathlib import Path

import pytest

from services.errors import InvalidArgumentError
from services.runner.domain.attempts import Artefact, remarks_of
from services.runner.domain.environments import require_environment_name
from services.runner.domain.pools import PoolPolicy
from services.runner.domain.undeclared import declaration, undeclared
from services.runner.domain.workplaces import (
    WorkplaceInfo,
    reason_to_retire,
    uid_range,
    workplace_name,
)
from services.runner.sessions.outcome import Cleanliness, Outcome, Verdict

INFO = WorkplaceInfo(
    id="w", environment="e", environment_digest="sha256:1", confinement="container+uid"
)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"broken": True}, "broken"),
        ({"cleanliness": Cleanliness(oom_kills=1)}, "memory"),
        ({"cleanliness": Cleanliness(processes_killed=1)}, "left something"),
        ({"cleanliness": Cleanliness(leftovers=("/tmp/x",))}, "left something"),
        ({"digest": "sha256:2"}, "new digest"),
        ({"checks_run": 1000}, "1000 checks"),
        ({"info": WorkplaceInfo(**{**INFO.__dict__, "confinement": "container+fresh"})}, "fresh"),
        ({}, ""),
    ],
)
def test_when_a_workplace_is_replaced(facts: dict[str, object], words: str) -> None:
    """Each reason of the design leads to a new workplace; a clean one goes on."""
    usual: dict[str, object] = {
        "info": INFO,
        "policy": PoolPolicy(),
        "checks_run": 1,
        "broken": False,
        "cleanliness": Cleanliness(),
        "digest": "sha256:1",
    }
    arguments = {**usual, **facts}
    reason = reason_to_retire(arguments.pop("info"), **arguments)  # type: ignore[arg-type]
    assert bool(words) == bool(reason)
    assert words in reason


def test_uid_ranges_do_not_overlap() -> None:
    """Every workplace has user ids of its own, all below 65536, until there are no more."""
    taken: set[int] = set()
    for _ in range(45):
        first, count = uid_range(taken, prefer=77)
        assert first + count <= 65536
        assert first not in taken
        taken.add(first)
    with pytest.raises(InvalidArgumentError):
        uid_range(taken)


def test_names() -> None:
    """Containers are `<environment>_run_<hash>`; environments end in `_environment`."""
    assert workplace_name("demo_environment").startswith("demo_environment_run_")
    assert workplace_name("a_environment") != workplace_name("a_environment")
    assert "demo_environment" == require_environment_name("demo_environment")
    for wrong in ("demo", "Demo_environment", "../x_environment", "_environment"):
        with pytest.raises(InvalidArgumentError):
            require_environment_name(wrong)


def test_content_types_are_from_an_allow_list() -> None:
    """Known endings have their type; everything else is bytes."""
    for path, kind in [
        ("a/plot.PNG", "image/png"),
        ("x.html", "text/html"),
        ("x.js", "application/octet-stream"),
        ("x", "application/octet-stream"),
    ]:
        assert kind == Artefact(sha256="0", path=path, size=1).content_type


def test_remarks_say_what_was_found() -> None:
    """Killed processes, removed files and left out output are stated, and what is degraded."""
    outcome = Outcome(
        verdict=Verdict.SUCCESS,
        warnings=("only the last problem is checked",),
        cleanliness=Cleanliness(processes_killed=2, processes=("sleep",), files_removed=3),
        output_dropped=10,
        artefacts_skipped=1,
    )
    info = WorkplaceInfo(**{**INFO.__dict__, "remarks": ("degraded confinement",)})
    text = " | ".join(remarks_of(outcome, info))
    for words in ("degraded", "last problem", "2 processes", "sleep", "3 files", "10 bytes"):
        assert words in text
    assert () == remarks_of(Outcome(verdict=Verdict.SUCCESS), INFO)


def test_undeclared_dependencies_are_found() -> None:
    """Missing repository files outside the closure are found by path and by module name."""
    files = ["a/x.py", "b/data.csv", "b/tool.py", "c/pack/__init__.py", "README.md"]
    missing = Outcome(verdict=Verdict.SCRIPT_ERROR, files_missing=("b/data.csv", "nowhere.txt"))
    assert ("b/data.csv",) == undeclared(missing, repository=files, closure=["a"])
    module = Outcome(verdict=Verdict.SCRIPT_ERROR, missing_module="tool")
    assert ("b/tool.py",) == undeclared(module, repository=files, closure=["a"])
    package = Outcome(verdict=Verdict.SCRIPT_ERROR, missing_module="pack")
    assert ("c/pack/__init__.py",) == undeclared(package, repository=files, closure=["a"])
    assert () == undeclared(package, repository=files, closure=["a", "c"])
    fine = Outcome(verdict=Verdict.SUCCESS, files_missing=("b/data.csv",))
    assert () == undeclared(fine, repository=files, closure=["a"])
    assert "declare OTHER in" in declaration(["b/data.csv"], keys={"b/data.csv": "OTHER"})
    assert "declare README.md in" in declaration(["README.md"], keys={})


def test_definition_names_its_image(tmp_path: Path) -> None:
    """The local image of an environment is `ackrep/<name>`."""
    from tests.runner_builders import definition

    assert "ackrep/demo_environment:latest" == definition(tmp_path).image
