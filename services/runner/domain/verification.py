"""Whether an environment is what it was meant to be: findings about facts. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from services.runner.domain.images import RECIPE_LABEL, RUNTIME_LABEL, VERSION_LABEL

OLDEST_PYTHON: Final = Version("3.8")
"""The oldest one that the runtime works with."""

_LISTED = 6
"""So many packages are named in a finding; the others are counted."""
_INSTRUCTION = re.compile(r"^\s*(USER|VOLUME|ENTRYPOINT|HEALTHCHECK|ONBUILD)\b", re.IGNORECASE)
_WHY = {
    "Volumes": "VOLUME: a place to write that outlives checks",
    "Healthcheck": "HEALTHCHECK: a process of its own beside the check",
    "User": "USER: containers start as root, checks get a user id of their own",
    "Entrypoint": "ENTRYPOINT: it is never run",
}
_FATAL = ("Volumes", "Healthcheck")


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    severity: Severity
    subject: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All that was found out about an environment."""

    findings: tuple[Finding, ...]
    digest: str = ""
    confinement: str = ""
    python: str = ""
    packages: tuple[str, ...] = ()
    """`name==version`, in order."""
    start_seconds: float = 0.0


def ok(subject: str, message: str) -> Finding:
    """Something is as it should be."""
    return Finding(severity=Severity.OK, subject=subject, message=message)


def warning(subject: str, message: str) -> Finding:
    """Checks run nevertheless."""
    return Finding(severity=Severity.WARNING, subject=subject, message=message)


def error(subject: str, message: str) -> Finding:
    """Checks cannot run, or not as they were meant to."""
    return Finding(severity=Severity.ERROR, subject=subject, message=message)


def of_dockerfile(name: str, text: str) -> list[Finding]:
    """Instructions that an environment must not have, and its base."""
    lines = [line for line in text.splitlines() if _INSTRUCTION.match(line)]
    found = [
        warning("definition", f"{name} has `{line.strip()}`; an environment has no such")
        for line in lines
    ]
    return found or [ok("definition", f"{name} names nothing that a check must not have")]


def of_pins(name: str, pins: Sequence[str]) -> list[Finding]:
    """Whether each requirement is one package of one version."""
    loose = []
    for pin in pins:
        try:
            specifier = Requirement(pin).specifier
        except InvalidRequirement:
            loose.append(pin)
            continue
        if [one.operator for one in specifier] not in (["=="], ["==="]):
            loose.append(pin)
    if loose:
        return [error("definition", f"{name} pins no version with == in {_list(loose)}")]
    return [ok("definition", f"{name} pins {len(pins)} packages")]


def of_labels(labels: Mapping[str, str], *, recipe: str, published: bool) -> list[Finding]:
    """What an image says of itself.

    Args:
        labels: Of the image.
        recipe: Digest of what it would be built from now.
        published: Whether it is at a registry, where a version belongs to it.
    """
    if RUNTIME_LABEL not in labels:
        return [error("labels", f"it lacks the label {RUNTIME_LABEL}: it is not made for ACKREP")]
    found = [ok("labels", f"made for ACKREP ({RUNTIME_LABEL}={labels[RUNTIME_LABEL]})")]
    built_from = labels.get(RECIPE_LABEL)
    if built_from is None:
        found.append(warning("recipe", "it does not say what it was built from; build it anew"))
    elif built_from != recipe:
        found.append(
            warning("recipe", "its Dockerfile or requirements have changed since it was built")
        )
    else:
        found.append(ok("recipe", "built from its Dockerfile and requirements as they are now"))
    if published and not labels.get(VERSION_LABEL):
        found.append(warning("labels", f"it was published without {VERSION_LABEL}"))
    return found


def of_config(config: Mapping[str, object]) -> list[Finding]:
    """How containers of an image would start by themselves: `User`, `Volumes` and so on."""
    found = [
        error("image", f"it has a {why}") if name in _FATAL else warning("image", f"it has a {why}")
        for name, why in _WHY.items()
        if config.get(name)
    ]
    return found or [ok("image", "no user, volume, entry point or health check of its own")]


def of_python(version: str, *, wanted: str) -> list[Finding]:
    """The Python inside, beside what the runtime needs and what the definition asks for."""
    try:
        inside = Version(version)
    except InvalidVersion:
        return [error("python", f"it says that its version is {version!r}")]
    if inside < OLDEST_PYTHON:
        return [error("python", f"Python {version} is older than {OLDEST_PYTHON}")]
    try:
        fits = SpecifierSet(wanted).contains(inside, prereleases=True)
    except InvalidSpecifier:
        return [error("definition", f"`python` is {wanted!r}, which is no specifier of versions")]
    if not fits:
        return [warning("python", f"Python {version}; the definition asks for {wanted}")]
    return [ok("python", f"Python {version} ({wanted})")]


def of_packages(
    installed: Iterable[str], pins: Iterable[str], *, python: str, machine: str, system: str,
    dropped: Iterable[str] = (),
) -> list[Finding]:  # fmt: skip
    """What is installed, beside what is pinned for such a machine.

    Args:
        installed: `name==version` each.
        pins: Lines of a requirements file.
        python: Version inside.
        machine: E.g. `x86_64`.
        system: As `sys.platform`, e.g. `linux`.
        dropped: Names of packages that need not be there any more.
    """
    left_out = {canonicalize_name(name) for name in dropped}
    there = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in installed)
    }
    surroundings = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "platform_machine": machine,
        "sys_platform": system,
        "platform_system": "Darwin" if system == "darwin" else "Linux",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    missing, other, right = [], [], 0
    for pin in pins:
        try:
            wanted = Requirement(pin)
        except InvalidRequirement:
            continue  # said of the definition
        if wanted.marker is not None and not wanted.marker.evaluate(surroundings):
            continue
        version = there.get(canonicalize_name(wanted.name))
        if version is None and canonicalize_name(wanted.name) in left_out:
            continue
        if version is None:
            missing.append(f"{wanted.name}{wanted.specifier}")
        elif not wanted.specifier.contains(version, prereleases=True):
            other.append(f"{wanted.name} {version} (wanted {wanted.specifier})")
        else:
            right += 1
    found = []
    if missing:
        found.append(error("packages", f"not installed: {_list(missing)}"))
    if other:
        found.append(warning("packages", f"other versions: {_list(other)}"))
    if right or not found:
        found.insert(0, ok("packages", f"{right} installed as pinned"))
    return found


def _list(items: Sequence[str]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more
