"""What an entity's result carries, as plain JSON values: bounded, and whatever types it used."""

from __future__ import annotations

import math
import sys
from typing import Any, Callable, Dict, List, Optional

from . import describing

MAXIMUM_NAMES = 100
MAXIMUM_ELEMENTS = 4096
MAXIMUM_TEXT = 4000
RESERVED = {"success", "score", "final_state_errors"}

Save = Callable[[str, Any], str]
"""Takes an array's name and the array; returns the file it was saved to, or ""."""


def _not_saved(name: str, array: Any) -> str:
    return ""


def fields(result: Any, save: Save = _not_saved) -> Dict[str, Any]:
    """Success, score, final-state errors and all other numbers of a result.

    Raises whatever looking at it raises: AttributeError without `success`, for one.
    """
    success = bool(result.success)
    attributes = dict(vars(result)) if hasattr(result, "__dict__") else {}
    numbers = []
    for name, value in attributes.items():
        if name in RESERVED or name.startswith("_") or len(numbers) >= MAXIMUM_NAMES:
            continue
        found = number(str(name)[:200], value, save)
        if found is not None:
            numbers.append(found)
    return {
        "success": success,
        "score": _score(attributes.get("score")),
        "final_state_errors": _errors(attributes.get("final_state_errors")),
        "numbers": numbers,
    }


def number(name: str, value: Any, save: Save = _not_saved) -> Optional[Dict[str, Any]]:
    """One named value, or None when it is neither a number, nor made of numbers, nor a text."""
    if isinstance(value, str):
        return _entry(name, "text", [], [value[:MAXIMUM_TEXT]], len(value) > MAXIMUM_TEXT)
    if isinstance(value, bool):
        return _entry(name, "bool", [], [value])
    if isinstance(value, int):
        if abs(value) < 2**63:
            return _entry(name, "int64", [], [value])
        return _entry(name, "text", [], [str(value)[:MAXIMUM_TEXT]])
    if isinstance(value, float):
        return _entry(name, "float64", [], [real(value)])
    return _array(name, value, save)


def _array(name: str, value: Any, save: Save) -> Optional[Dict[str, Any]]:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        plain = isinstance(value, complex)
        return _entry(name, "complex128", [], [str(value)]) if plain else None
    if callable(value):
        return None
    try:
        if hasattr(value, "is_number"):
            return number(name, float(value)) if value.is_number else None
        array = numpy.asarray(value.tolist() if hasattr(value, "free_symbols") else value)
        if array.dtype.kind == "O":
            array = array.astype(float)
        if array.dtype.kind not in "biufc":
            return None
        flat = array.reshape(-1)[:MAXIMUM_ELEMENTS].tolist()
    except Exception:
        # It is no array of numbers, then.
        return None
    kind = array.dtype.kind
    if kind == "c":
        data: List[Any] = [str(item) for item in flat]
    elif kind == "f":
        data = [real(item) for item in flat]
    else:
        data = flat
    entry = _entry(name, str(array.dtype), list(array.shape), data, array.size > MAXIMUM_ELEMENTS)
    entry["file"] = save(name, array)
    return entry


def _entry(
    name: str, dtype: str, shape: List[int], data: List[Any], truncated: bool = False
) -> Dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": shape, "data": data, "truncated": truncated}


def real(value: float) -> Any:
    """A float as JSON; what it cannot say, as text."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _score(value: Any) -> Any:
    try:
        return None if value is None else real(float(value))
    except Exception:
        return None


def _errors(value: Any) -> List[Any]:
    """The errors as floats; of a complex one its magnitude."""
    if value is None:
        return []
    try:
        items = list(value.reshape(-1) if hasattr(value, "reshape") else value)
    except Exception:
        items = [value]
    found = []
    for item in items[:MAXIMUM_ELEMENTS]:
        try:
            plain = complex(item)
        except Exception:
            continue
        found.append(real(plain.real if plain.imag == 0 else abs(plain)))
    return found


def checked(report: Dict[str, Any]) -> Dict[str, Any]:
    """The report, if it is of the form that this module makes; else an error that says so.

    An entity can write to the pipe on which its process reports. That may change its own result,
    but it must not confuse those who read it.
    """
    try:
        for key in ("message", "traceback", "limit", "missing_module"):
            _need(isinstance(report.get(key, ""), str) and len(report.get(key, "")) < 1 << 20)
        _need(report.get("kind") in ("done", "error", "broken"))
        _need(report.get("success") in (None, True, False))
        _need(report.get("score") is None or _is_real(report["score"]))
        errors = report.get("final_state_errors", [])
        _need(isinstance(errors, list) and len(errors) <= MAXIMUM_ELEMENTS)
        _need(all(map(_is_real, errors)))
        warnings = report.get("warnings", [])
        _need(isinstance(warnings, list) and len(warnings) <= MAXIMUM_NAMES)
        _need(all(isinstance(text, str) and len(text) <= MAXIMUM_TEXT for text in warnings))
        description = report.get("description")
        _need(description is None or describing.checked(description))
        numbers = report.get("numbers", [])
        _need(isinstance(numbers, list) and len(numbers) <= MAXIMUM_NAMES)
        for entry in numbers:
            _need(isinstance(entry["name"], str) and len(entry["name"]) <= 200)
            _need(isinstance(entry["dtype"], str) and len(entry["dtype"]) <= 40)
            _need(len(entry["shape"]) <= 64)
            _need(all(type(n) is int and 0 <= n < 1 << 53 for n in entry["shape"]))
            _need(len(entry["data"]) <= MAXIMUM_ELEMENTS)
            _need(isinstance(entry.get("file", ""), str) and len(entry.get("file", "")) <= 200)
            real_only = entry["dtype"].startswith("float")
            for item in entry["data"]:
                _need(_is_real(item) or (isinstance(item, (str, bool)) and not real_only))
                _need(not isinstance(item, str) or len(item) <= MAXIMUM_TEXT)
    except (KeyError, TypeError, ValueError, OverflowError):
        return {"kind": "error", "message": "the result that was reported cannot be read"}
    return report


def _need(condition: bool) -> None:
    if not condition:
        raise ValueError("not of our form")


def _is_real(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("nan", "inf", "-inf")
    return isinstance(value, (int, float)) and math.isfinite(value)
