"""Environments as this installation defines them, and their names. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import InvalidArgumentError
from services.runner.domain.images import LATEST, is_digits

_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*_environment")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One environment as this installation defines it (`environments/<name>.toml`)."""

    name: str
    """`<some_description>_environment`."""
    folder: Path
    """Where the definition and the files it names lie; the build context of the image."""
    python: str
    """PEP 440 specifier that the process backend must satisfy."""
    requirements: str
    """File of pinned requirements, in `folder`."""
    process_requirements: str
    """The same for the process backend; equal to `requirements` unless said otherwise."""
    dockerfile: str
    """File in `folder` that the image is built from."""
    aliases: tuple[str, ...] = ()
    """Other names of environment specifications that are served by it."""
    preload: tuple[str, ...] = ()
    """Modules that a warm workplace has imported."""
    shims: tuple[str, ...] = ()
    """Compatibility that the runtime adds in it."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Package to the reason why it cannot be installed."""
    build_only: tuple[str, ...] = ()
    """Packages of the requirements that the image has only while it is built."""
    pinned: str = ""
    """Image that is pulled, `<registry>/<name>@sha256:…`; empty: the registry's latest."""
    reference: str = ""
    """One image of it: a tag, or 12 to 64 hexadecimal digits of a digest; empty: the one in use."""
    tag: str = field(default="", compare=False)
    """Where a registry may have the image of those digits; may be empty."""

    @property
    def identity(self) -> str:
        """Name, and reference where there is one: what is kept apart from each other."""
        return f"{self.name}@{self.reference}" if self.reference else self.name

    @property
    def repository(self) -> str:
        """Repository of its local images."""
        return f"ackrep/{self.name}"

    @property
    def image(self) -> str:
        """Name of the local image in use, or of the one with its tag."""
        tag = self.reference if self.reference and not is_digits(self.reference) else LATEST
        return f"{self.repository}:{tag}"


def require_environment_name(name: str) -> str:
    """The name, if it is one. Raises InvalidArgumentError."""
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} is no environment name: it must be lower-case words joined by `_` that end "
            "in `_environment`",
            environment=name,
        )
    return name
