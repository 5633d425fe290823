"""What the tests need of the machine: skipped with a reason at home, a failure in CI."""

import os

import pytest


def need(present: object, *, what: str) -> None:
    """Goes on if `present`; otherwise skips the test, or fails it where `CI` is set.

    Args:
        present: Truthy if the machine has it.
        what: Names the part and how to get it, e.g. `Chromium (Debian: chromium)`.
    """
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI has no {what}, and may not skip what it claims to test", pytrace=False)
    pytest.skip(f"this machine has no {what}")
