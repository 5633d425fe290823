"""Adds the environment's shims to further Python processes of a check, such as a notebook's kernel.

Python imports this by itself, because the folder it lies in is on PYTHONPATH within a check.
"""

import os


def _apply() -> None:
    names = os.environ.get("ACKREP_SHIMS", "")
    if not names:
        return
    try:
        import ackrep_shims

        ackrep_shims.apply(names.split(","))
    except Exception:
        # A broken shim must not stop every Python process; what misses it will say so.
        pass


_apply()
