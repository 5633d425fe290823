"""What a system model is, in formulas: told beside the result of its check, never instead of it.

A process of its own looks at the model, after the evaluation: it draws no random numbers of the
check, its output goes nowhere, and it is killed when it takes too long, wherever it then is.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import time
from typing import Any, Dict, List, Optional, Tuple

SECONDS = 3.0
MAXIMUM_FORMULA = 8000
MAXIMUM_ROWS = 500
MAXIMUM_BYTES = 512 * 1024
MEMORY_BYTES = 1 << 30
"""Beyond what the check holds: its own limit must not be reached for the sake of formulas."""

Description = Dict[str, Any]


def describe(module: Any, seconds: float = SECONDS) -> Tuple[Optional[Description], str]:
    """States, inputs, equations and parameters of the class `Model` in a module.

    Returns the description or None, and why it is None or not whole. Never raises.
    """
    if not callable(getattr(module, "Model", None)):
        return None, ""
    try:
        ours, theirs = os.pipe()
    except OSError as error:
        return None, "the equations could not be told: %s" % error
    try:
        child = os.fork()
    except Exception as error:  # also a warning that the entity made an error
        os.close(ours)
        os.close(theirs)
        return None, "the equations could not be told: %s" % error
    if child == 0:
        _tell(module, theirs)
    os.close(theirs)
    try:
        content = _read(ours, time.monotonic() + seconds)
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if content is None:
        return None, "the equations could not be told within %g s" % seconds
    try:
        found = json.loads(content.decode("utf-8"))
        described, remark = found["description"], found["remark"]
        if described is None:
            return None, "the equations could not be told: %s" % str(remark)[:300]
        return described, str(remark)[:300]
    except Exception:
        return None, "the equations could not be told: looking at the model ended early"


def _read(handle: int, deadline: float) -> Optional[bytes]:
    """All that comes, up to a bound; None if it does not end in time."""
    content = bytearray()
    while len(content) <= MAXIMUM_BYTES:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            return None
        data = os.read(handle, 65536)
        if not data:
            break
        content += data
    return bytes(content)


def _tell(module: Any, handle: int) -> None:
    """In the process of its own. Does not return."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        _bound_memory()
        try:
            description, remark = _description(module)
        except BaseException as error:
            description, remark = None, "%s: %s" % (type(error).__name__, error)
        text = json.dumps({"description": description, "remark": remark})
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(handle, data) :]
    finally:
        os._exit(0)


def _bound_memory() -> None:
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        highest = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = used + MEMORY_BYTES
        if highest == resource.RLIM_INFINITY or wanted < highest:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, highest))
    except (OSError, ValueError):
        return  # not told here; the check's own limit holds


def _description(module: Any) -> Tuple[Description, str]:
    import sympy
    from ackrep_core import parameter_tables

    model = module.Model()
    names = parameter_tables.latex_names(getattr(model, "params", None))
    states = [sympy.latex(symbol) for symbol in model.xx_symb]
    remark = ""
    equations: List[str] = []
    try:
        right = list(model.get_rhs_symbolic())
        for state, expression in zip(states, right):
            formula = "%s = %s" % (derivative(state), sympy.latex(expression, symbol_names=names))
            if len(formula) > MAXIMUM_FORMULA:
                raise ValueError("one has %d characters" % len(formula))
            equations.append(formula)
    except Exception as error:
        equations, remark = [], "the equations are not shown: %s" % str(error)[:200]
    description = {
        "states": states,
        "inputs": [sympy.latex(symbol) for symbol in model.uu_symb],
        "equations": equations,
        "columns": [],
        "parameters": [],
    }
    if model.has_params:
        description.update(table(model.params))
    return description, remark


def derivative(state: str) -> str:
    r"""The symbol with a dot, e.g. `\dot{x}_{1}` of `x_{1}`."""
    found = re.match(r"^(\\[A-Za-z]+|[^_^{}\\]+)(.*)$", state)
    return r"\dot{%s}%s" % (found.group(1), found.group(2)) if found else r"\dot{%s}" % state


def table(parameters: Any) -> Description:
    """The parameter table for the wire."""
    from ackrep_core import parameter_tables

    found = parameter_tables.table_of(parameters)
    rows = zip(found.rows, found.names, found.values)
    return {
        "columns": [head[:200] for head in found.columns][:40],
        "parameters": [
            {"cells": [cell[:2000] for cell in cells][:40], "name": name[:200], "value": value}
            for cells, name, value in rows
        ][:MAXIMUM_ROWS],
    }


def checked(value: Any) -> bool:
    """Whether a description is of the form that this module makes."""
    if not isinstance(value, dict):
        return False
    texts = [value.get(name) for name in ("states", "inputs", "equations", "columns")]
    if not all(map(_are_texts, texts)):
        return False
    rows = value.get("parameters")
    if not isinstance(rows, list) or len(rows) > MAXIMUM_ROWS:
        return False
    if len(json.dumps(value)) > MAXIMUM_BYTES:
        return False
    return all(
        isinstance(row, dict)
        and _are_texts(row.get("cells"))
        and _is_text(row.get("name"))
        and (row.get("value") is None or type(row["value"]) in (int, float))
        and abs(row.get("value") or 0) <= 1e308
        for row in rows
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAXIMUM_ROWS and all(map(_is_text, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAXIMUM_FORMULA
