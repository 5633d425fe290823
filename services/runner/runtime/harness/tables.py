"""The parameter table of a system model, from its `parameters.py` alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Optional

from . import arrays, describing

if TYPE_CHECKING:
    from .rules import Running

FILE = arrays.FOLDER + "/parameters.tex"
"""Below the entity's folder: the copy there, if there is one, may be a link to anywhere."""


class NoParametersError(Exception):
    """A system model without parameters."""


def run(running: "Running") -> Dict[str, Any]:
    """Write `parameters.tex`; describe the model where the plan names its module.

    With a model, what fails is a warning: the other half is of use by itself.
    """
    from . import rules

    found: Dict[str, Any] = {"success": True, "score": None, "warnings": []}
    name = running.plan["modules"].get("model")
    missing: Optional[Exception] = None
    try:
        _write(running)
    except Exception as error:
        if not name:
            raise
        missing = error
    if name:
        try:
            with running.phase("import"):
                model = rules.load(name)
        except Exception as error:
            found["warnings"].append("the model could not be imported: %s" % str(error)[:300])
        else:
            running.describe(found, model)
    if missing is not None:
        if not isinstance(missing, NoParametersError):
            text = "%s: %s" % (type(missing).__name__, str(missing)[:300])
            found["warnings"].append("no parameter table: " + text)
        elif found.get("description") is None:
            raise missing
    return found


def _write(running: "Running") -> None:
    from ackrep_core import parameter_tables
    from ackrep_core.parameters import REQUIRED, import_parameters

    path = os.path.join(running.folder, "parameters.py")
    if not os.path.isfile(path):
        raise NoParametersError("there is no parameters.py")
    with running.phase("parameters"):
        try:
            parameters = import_parameters(running.plan["key"])
        except AssertionError as error:
            if "does not define %s" % ", ".join(REQUIRED) in str(error):
                raise NoParametersError("parameters.py defines no parameters") from None
            raise
        if not list(parameters.pp_symb):
            raise NoParametersError("parameters.py defines no parameters")
        tex = parameter_tables.table_of(parameters).tex()
        target = os.path.join(running.folder, *FILE.split("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(tex + "\n")
