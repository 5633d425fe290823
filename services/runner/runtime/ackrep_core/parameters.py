"""A model's `parameters.py`, with the functions that models expect on it."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, Dict, List, Optional

from ackrep_core import context
from ackrep_core.core import get_metadata_from_file

REQUIRED = (
    "model_name",
    "pp_symb",
    "pp_sf",
    "pp_subs_list",
    "latex_names",
    "tabular_header",
    "col_alignment",
    "col_1",
    "start_columns_list",
    "end_columns_list",
)
"""What a parameters.py must define; the tables of the documentation are made from it."""


def import_parameters(key: Optional[str] = None) -> Any:
    """The module `parameters` of the system model with this key.

    Without a key, that of the entity in whose folder the calling file lies. The module gets
    `base_path`, `get_default_parameters()` and `get_symbolic_parameters()`. Raises
    FileNotFoundError when there is no such entity or it has no parameters.py.
    """
    caller = sys._getframe(1).f_globals.get("__file__") or os.path.join(os.getcwd(), "-")
    if key is None:
        beside = os.path.join(os.path.dirname(os.path.abspath(caller)), "metadata.yml")
        key = get_metadata_from_file(beside)["key"]
    base_path = context.folder_of(key, near=caller)
    path = os.path.join(base_path, "parameters.py")
    if not os.path.isfile(path):
        raise FileNotFoundError("the entity %s has no parameters.py" % key)

    name = "%s.%s.parameters" % tuple(base_path.replace("\\", "/").rsplit("/", 2)[-2:])
    module = sys.modules.get(name)
    if module is not None and getattr(module, "__file__", None) == path:
        return module
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        _complete(module, base_path)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _complete(module: Any, base_path: str) -> None:
    missing = [name for name in REQUIRED if not hasattr(module, name)]
    if missing:
        raise AssertionError("%s does not define %s" % (module.__file__, ", ".join(missing)))
    if len(module.pp_symb) != len(module.pp_sf):
        raise AssertionError(
            "%s: %d symbols in pp_symb, but %d values in pp_sf"
            % (module.__file__, len(module.pp_symb), len(module.pp_sf))
        )

    def exact_default_parameters() -> Dict[Any, Any]:
        return dict(zip(module.pp_symb, _exact(module.pp_sf, module.pp_subs_list)))

    def get_default_parameters() -> Dict[Any, Any]:
        """Symbol to value, in the order of pp_symb; a float wherever the value is a number."""
        return {symbol: plain(value) for symbol, value in exact_default_parameters().items()}

    def get_symbolic_parameters() -> Any:
        """The symbols."""
        return module.pp_symb

    module.base_path = base_path
    module.parameter_check = 0
    module.exact_default_parameters = exact_default_parameters
    module.get_default_parameters = get_default_parameters
    module.get_symbolic_parameters = get_symbolic_parameters


def _exact(values: Any, substitutions: Any) -> List[Any]:
    import sympy

    return [sympy.sympify(value).subs(substitutions) for value in values]


def plain(value: Any) -> Any:
    """A Python float (or complex) where the value is a number; anything else as it is.

    Arithmetic on sympy's numbers made right hand sides some forty times slower.
    """
    if not getattr(value, "is_number", False):
        return value
    try:
        return float(value)
    except TypeError:
        try:
            return complex(value)
        except TypeError:
            return value
