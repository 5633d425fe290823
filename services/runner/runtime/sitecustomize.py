"""Further Python processes of a check, such as a notebook's kernel: shims, and what they read.

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


def _note_readings() -> None:
    context = os.environ.get("ACKREP_CONTEXT", "")
    if not context:
        return
    try:
        import ackrep_readings

        ackrep_readings.note_in_file(context)
    except Exception:
        # It only explains a result; that comes first.
        pass


_apply()
_note_readings()
