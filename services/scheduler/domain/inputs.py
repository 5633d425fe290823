"""What a result depends on, as a digest, and the random seed that follows from it."""

import dataclasses
import hashlib
import json

from services.scheduler.domain.check import Limits


def inputs_digest(
    *, entity: str, closure: str, environment: str, runtime: str, limits: Limits
) -> str:
    """Digests everything that may influence a result and is known before it runs.

    Args:
        entity: Key.
        closure: Digest of the closure's content, from the catalog.
        environment: Name of the environment.
        runtime: Version of the injected runtime, as the runners say; empty while none is known.
        limits: What the check may use.
    """
    return _digest(
        {
            "entity": entity,
            "closure": closure,
            "environment": environment,
            "runtime": runtime,
            "limits": dataclasses.asdict(limits),
        }
    )


def seed(*, entity: str, closure: str, environment: str) -> int:
    """Derives the random seed (32 bits, so that every generator takes it).

    Runtime version and limits are left out: raising a limit is to change no number.
    """
    text = _digest({"entity": entity, "closure": closure, "environment": environment})
    return int(text[:8], 16)


def _digest(parts: dict[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
