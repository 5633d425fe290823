"""What entities import is read from their code."""

import json

from bench.imports import imported, imported_by

CODE = b"""
import numpy as np, os.path
from scipy import integrate
from . import neighbour
from ackrep_core import ResultContainer
def late():
    from mpl_toolkits.mplot3d import *
    import system_model, helper.deep
"""


def test_imports_are_found_wherever_they_stand() -> None:
    """Also late ones; relative ones are the closure's own."""
    found = imported("if x:\n    import a.b\ntry:\n    from c import d\nexcept ImportError: pass\n")
    assert {"a.b", "c", "c.d"} == found
    assert set() == imported("from . import a\nfrom .b import c\n")


def test_only_what_is_from_elsewhere_counts() -> None:
    """Neither the standard library, nor our runtime, nor the closure's own modules and packages."""
    files = {
        "models/one/simulation.py": CODE,
        "models/one/system_model.py": b"import sympy",
        "methods/tool/helper/deep.py": b"import casadi",
        "models/one/broken.py": b"import (",
        "models/one/binary.py": b"\xff\xfe\x00",
        "models/one/data.csv": b"import pandas",
    }
    expected = {
        "numpy", "scipy", "scipy.integrate", "mpl_toolkits.mplot3d", "sympy", "casadi",
    }  # fmt: skip
    assert expected == imported_by(files)


def test_notebooks_have_code_too() -> None:
    """Code cells are read without their magic; a cell that is no Python hides no other."""
    cells = [
        {"cell_type": "markdown", "source": ["import nothing"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import control\n"]},
        {"cell_type": "code", "source": "this is no Python"},
        {"cell_type": "code", "source": ["!pip list\n", "import tabulate"]},
    ]
    notebook = json.dumps({"cells": cells}).encode()
    assert {"control", "tabulate"} == imported_by({"a/b.ipynb": notebook, "c.ipynb": b"{"})
