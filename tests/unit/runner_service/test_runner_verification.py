"""Findings about facts of an environment."""

import pytest

from services.runner.domain import verification
from services.runner.domain.images import RECIPE_LABEL, RUNTIME_LABEL, VERSION_LABEL
from services.runner.domain.verification import Finding, Severity

OURS = {RUNTIME_LABEL: "1", RECIPE_LABEL: "r"}


def said(found: list[Finding], severity: Severity) -> list[str]:
    return [one.message for one in found if one.severity is severity]


def packages(installed: list[str], *pins: str, dropped: tuple[str, ...] = ()) -> list[Finding]:
    return verification.of_packages(
        installed, pins, python="3.11.2", machine="x86_64", system="linux", dropped=dropped
    )


def test_packages_as_pinned() -> None:
    """Names are compared as pip does, and pins for other machines are left out."""
    found = packages(
        ["PyYAML==6.0.3", "typing-extensions==4.1"],
        "pyyaml==6.0.3",
        "typing_extensions==4.1 ; python_version < '3.12'",
        "appnope==1 ; sys_platform == 'darwin'",
        "old==1 ; python_version < '3.9'",
        "arm==1 ; platform_machine == 'aarch64'",
    )
    assert ["2 installed as pinned"] == [one.message for one in found]


def test_packages_that_are_missing_or_other() -> None:
    """What is missing is an error, another version a warning; many are counted."""
    found = packages(["a==2", "b==1"], "a==1", "b==1", "c==3", "tool==1", dropped=("Tool",))
    assert ["not installed: c==3"] == said(found, Severity.ERROR)
    assert ["other versions: a 2 (wanted ==1)"] == said(found, Severity.WARNING)
    many = packages([], *(f"p{number}==1" for number in range(9)))
    assert "p5==1 and 3 more" in said(many, Severity.ERROR)[0]


@pytest.mark.parametrize(
    ("version", "wanted", "severity"),
    [
        ("3.11.2", ">=3.11,<3.14", Severity.OK),
        ("3.13.0", "==3.11.*", Severity.WARNING),
        ("3.7.3", ">=3.7", Severity.ERROR),
        ("", ">=3.7", Severity.ERROR),
        ("3.11.2", "three", Severity.ERROR),
    ],
)
def test_python(version: str, wanted: str, severity: Severity) -> None:
    """Too old for the runtime is an error; another one than asked for is a warning."""
    (finding,) = verification.of_python(version, wanted=wanted)
    assert severity is finding.severity


def test_labels() -> None:
    """Without our label it is another product; an older recipe and a missing version are said."""
    foreign = verification.of_labels({}, recipe="r", published=False)
    assert [Severity.ERROR] == [one.severity for one in foreign]
    fine = verification.of_labels({**OURS, VERSION_LABEL: "1.0.0"}, recipe="r", published=True)
    assert [Severity.OK, Severity.OK] == [one.severity for one in fine]
    older = verification.of_labels(OURS, recipe="s", published=True)
    assert ["recipe", "labels"] == [
        one.subject for one in older if one.severity is Severity.WARNING
    ]
    unsaid = verification.of_labels({RUNTIME_LABEL: "1"}, recipe="r", published=False)
    assert ["it does not say what it was built from; build it anew"] == said(
        unsaid, Severity.WARNING
    )


def test_how_containers_would_start() -> None:
    """Volumes and health checks are errors, users and entry points warnings, empty ones nothing."""
    assert [Severity.OK] == [
        one.severity for one in verification.of_config({"User": "", "Volumes": None})
    ]
    found = verification.of_config({"User": "me", "Volumes": {"/x": {}}, "Entrypoint": ["sh"]})
    assert (1, 2) == (len(said(found, Severity.ERROR)), len(said(found, Severity.WARNING)))


def test_definition_files() -> None:
    """Loose pins are errors; instructions that a check must not have are quoted."""
    assert ["r.txt pins no version with == in b>=1, -e ."] == said(
        verification.of_pins("r.txt", ["a==1", "b>=1", "-e ."]), Severity.ERROR
    )
    found = verification.of_dockerfile("D", "FROM x\n  user me\n# USER no\nRUN echo VOLUME\n")
    assert ["D has `user me`; an environment has no such"] == said(found, Severity.WARNING)
