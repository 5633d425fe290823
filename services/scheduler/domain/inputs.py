"""What a result depends on, as digests, and the random seed that follows from it."""

import dataclasses
import functools
import hashlib
import json

from services.scheduler.domain.check import Check, Limits


@functools.lru_cache(maxsize=4096)  # every message about a check says it, and a check has many
def inputs_digest(
    *,
    entity: str,
    closure: str,
    environment: str,
    runtime: str,
    limits: Limits,
    image: str = "",
    untrusted: bool = False,
) -> str:
    """Digests everything that may influence a result.

    Without an image it is the identity of what was asked for, by which equal active checks are
    one: it stays the same when it becomes known which image an environment is.

    Args:
        entity: Key.
        closure: Digest of the closure's content, from the catalog.
        environment: Name of the environment; with `@` and a reference, one image of it.
        runtime: Version of the injected runtime; empty while none is known.
        limits: What the check may use.
        image: Digest of the image that the environment is; empty while it is not known. With it,
            only the environment's plain name counts, from which the seed follows.
        untrusted: Whether the check is of a proposal: its result stands for no other check, even
            where all else is equal.
    """
    parts: dict[str, object] = {
        "entity": entity,
        "closure": closure,
        "environment": plain_name(environment) if image else environment,
        "runtime": runtime,
        "limits": dataclasses.asdict(limits),
    }
    if untrusted:
        parts["untrusted"] = True
    return _digest(parts | {"image": image} if image else parts)


def digest_of(check: Check) -> str:
    """The inputs digest of a check, with the image as far as it was known when it was created."""
    basis = check.basis
    if basis is None:
        return check.inputs_digest
    return inputs_digest(
        entity=check.entity,
        closure=basis.closure,
        environment=check.environment,
        runtime=basis.runtime,
        limits=check.limits,
        image=basis.image,
        untrusted=check.untrusted,
    )


def seed(*, entity: str, closure: str, environment: str) -> int:
    """Derives the random seed (32 bits, so that every generator takes it).

    Runtime version and limits are left out: raising a limit is to change no number. So is the
    image: a trial of another one, and one that becomes known, get the same numbers.
    """
    text = _digest({"entity": entity, "closure": closure, "environment": plain_name(environment)})
    return int(text[:8], 16)


def plain_name(environment: str) -> str:
    """The name of an environment without the reference to one image of it."""
    return environment.partition("@")[0]


def _digest(parts: dict[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
