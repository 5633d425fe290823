"""Images of environments: what is known of one, and how one is referred to. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.errors import EnvironmentUnavailableError, InvalidArgumentError

RUNTIME_LABEL: Final = "dev.ackrep.runtime"
"""An image carries it if it was made for our runtime; without it no check runs in it."""
RECIPE_LABEL: Final = "dev.ackrep.recipe"
"""sha256 of the Dockerfile and the requirements that an image was built from."""
ENVIRONMENT_LABEL: Final = "dev.ackrep.environment"
"""Name of the environment, of its images and of its containers."""
VERSION_LABEL: Final = "org.opencontainers.image.version"
DESCRIPTION_LABEL: Final = "org.opencontainers.image.description"
REVISION_LABEL: Final = "org.opencontainers.image.revision"

LATEST: Final = "latest"
"""Tag of the image in use."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGITS = re.compile(r"[0-9a-f]{12,64}")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_MANIFEST = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST_LABEL = 4000


class ForeignImageError(EnvironmentUnavailableError):
    """An image of that name is there, but it is another product."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A local image."""

    id: str
    """`sha256:…`, the digest that results name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    """`<repository>:<tag>` each."""
    manifests: tuple[str, ...] = ()
    """`<repository>@sha256:…` each: where it was pulled from or pushed to."""
    size: int = 0
    """Bytes of all its layers."""
    create_time: datetime | None = None
    triggers: bool = False
    """Whether it has ONBUILD instructions."""

    def tags(self, *repositories: str) -> tuple[str, ...]:
        """Its tags in these repositories, each once, in order."""
        found = {
            tag
            for repository, _, tag in (one.rpartition(":") for one in self.references)
            if repository in repositories
        }
        return tuple(sorted(found))

    def manifests_in(self, repository: str) -> tuple[str, ...]:
        """Digests of its manifests in a repository of a registry, `sha256:…`."""
        return tuple(
            digest
            for place, _, digest in (one.partition("@") for one in self.manifests)
            if place == repository
        )

    def belongs_to(self, environment: str, *repositories: str) -> bool:
        """Whether it is one of an environment: by its label, else by where it has names."""
        if label := self.labels.get(ENVIRONMENT_LABEL):
            return label == environment
        return bool(self.tags(*repositories)) or any(
            self.manifests_in(repository) for repository in repositories
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A local image of an environment as it is shown."""

    image: Image
    tags: tuple[str, ...]
    registry_digest: str
    """Digest of its manifest at the registry; empty where it never was there."""
    current_recipe: bool
    """Whether it was built from the files as they are now."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a published image says of itself."""

    version: str
    """`MAJOR.MINOR.PATCH`."""
    message: str = ""
    revision: str = ""
    """Commits of what is inside."""
    force: bool = False
    """Whether it may take the place of one that was published before."""

    def labels(self) -> dict[str, str]:
        """Labels of the published image."""
        return {
            VERSION_LABEL: self.version,
            DESCRIPTION_LABEL: self.message,
            REVISION_LABEL: self.revision,
        }


@dataclass(frozen=True, kw_only=True)
class Published:
    """What came of publishing."""

    references: tuple[str, ...]
    registry_digest: str
    """Of the manifest."""
    digest: str
    """Of the image, `sha256:…`."""


def normalised(reference: str) -> str:
    """A reference as it is kept: empty for `latest`, digits without `sha256:`, else a tag.

    Raises InvalidArgumentError.
    """
    digits = reference.removeprefix("sha256:")
    if digits != reference and not _DIGITS.fullmatch(digits):
        raise InvalidArgumentError(f"{reference!r} is no digest: 12 to 64 hexadecimal digits")
    if digits == reference and not _TAG.fullmatch(reference):
        raise InvalidArgumentError(
            f"{reference!r} is no image reference: neither a tag (letters, digits, `_`, `.`, `-`) "
            "nor 12 to 64 hexadecimal digits of an image's digest"
        )
    return "" if reference == LATEST else digits


def is_digits(reference: str) -> bool:
    """Whether a reference is a part of a digest, not a tag."""
    return _DIGITS.fullmatch(reference) is not None


def require_tag(tag: str) -> str:
    """The tag, if it is one that cannot be taken for a digest. Raises InvalidArgumentError."""
    if not _TAG.fullmatch(tag) or is_digits(tag):
        raise InvalidArgumentError(
            f"{tag!r} is no tag: letters, digits, `_`, `.` and `-`, at most 128, and not only 12 "
            "or more hexadecimal digits, which name a digest"
        )
    return tag


def require_release(release: Release) -> Release:
    """The release, if its version and texts can be published. Raises InvalidArgumentError."""
    if not _VERSION.fullmatch(release.version):
        raise InvalidArgumentError(
            f"{release.version!r} is no version: it must be MAJOR.MINOR.PATCH, e.g. 1.2.0"
        )
    for text in (release.message, release.revision):
        if len(text) > _LARGEST_LABEL:
            raise InvalidArgumentError(f"a label may have {_LARGEST_LABEL} characters at most")
    return release


def require_registry(registry: str) -> str:
    """The address of a registry, `host[:port][/path]`; empty stays empty.

    Raises InvalidArgumentError.
    """
    address = registry.rstrip("/")
    if address and not _REGISTRY.fullmatch(address):
        # Not repeated: people put names and passwords into URLs.
        raise InvalidArgumentError(
            "ACKREP_RUNNER_REGISTRY must be `host[:port][/path]` in lower case, without a scheme "
            "or a user; `docker login` keeps credentials"
        )
    return address


def require_pin(image: str, *, environment: str) -> str:
    """A pinned image, `<registry>/<environment>@sha256:…`. Raises InvalidArgumentError."""
    place, _, digest = image.partition("@")
    registry, _, name = place.rpartition("/")
    if not registry or name != environment or not _MANIFEST.fullmatch(digest):
        raise InvalidArgumentError(
            f"`image` is {image!r}; it must be <registry>/{environment}@sha256:<64 digits>"
        )
    return image


def require_ours(image: Image, *, name: str) -> Image:
    """The image, if it was made for our runtime.

    Raises ForeignImageError, or EnvironmentUnavailableError for one that would run something of its
    own when another is built from it: that build has a network.
    """
    if RUNTIME_LABEL not in image.labels:
        raise ForeignImageError(
            f"the image {name} lacks the label {RUNTIME_LABEL}: it is not made for ACKREP"
        )
    if image.triggers:
        raise EnvironmentUnavailableError(
            f"the image {name} has ONBUILD instructions, which an environment must not have"
        )
    return image
