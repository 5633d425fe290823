"""The data repository that is measured on: no-op models, and one Lorenz model with a plot."""

from pathlib import Path

ENVIRONMENT = "demo_environment"

NOOP = """\
from ackrep_core import ResultContainer


def simulate():
    return None


def evaluate_simulation(data):
    return ResultContainer(success=True, score=1.0, final_state_errors=[0.0])
"""

LORENZ = """\
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp


def simulate():
    def rhs(t, x):
        return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]

    data = solve_ivp(rhs, (0, 20), [1.0, 1.0, 1.0], t_eval=np.linspace(0, 20, 10_000))
    axes = plt.figure(figsize=(6, 5)).add_subplot(projection="3d")
    axes.plot(*data.y, linewidth=0.6)
    folder = os.path.join(HERE, "_data")
    os.makedirs(folder)
    plt.savefig(os.path.join(folder, "plot.png"), dpi=96)
    return data
"""

LORENZ_JUDGE = """\

HERE = os.path.dirname(__file__)


def evaluate_simulation(data):
    from ackrep_core import ResultContainer

    bounded = bool(abs(data.y).max() < 60)
    return ResultContainer(success=bounded, score=float(bounded), final_state_errors=[0.0])
"""

NOOP_SCRIPT = "print('no work')\n"
LORENZ_SCRIPT = LORENZ + "\nimport tempfile\n\nHERE = tempfile.mkdtemp()\nsimulate()\n"
"""The same work as the Lorenz entity, for a plain `python -`."""

METADATA = """\
key: {key}
type: system_model
name: '{title}'
short_description: ''
version: 0.1.0
tag_list: []
creator: ''
editor_list: []
creation_date: '2026-11-22'
external_references: ''
notes: ''
estimated_runtime: '1s'
compatible_environment: 'ENV00'
system_model_file: system_model.py
simulation_file: simulation.py
"""

ENVIRONMENT_METADATA = f"""\
key: ENV00
type: environment_specification
name: {ENVIRONMENT}
short_description: ''
version: 0.1.0
tag_list: []
creator: ''
editor_list: []
creation_date: '2026-11-22'
external_references: ''
notes: ''
"""


def noop_key(number: int) -> str:
    """Key of the n-th no-op model, e.g. `N0007`."""
    return f"N{number:04d}"


LORENZ_KEY = "LOR3D"


def write(root: Path, *, noop_models: int) -> None:
    """Writes the repository with `noop_models` no-op models below `root`."""
    environment = root / "environment_specifications" / ENVIRONMENT
    environment.mkdir(parents=True)
    (environment / "metadata.yml").write_text(ENVIRONMENT_METADATA)
    for number in range(noop_models):
        _model(root, key=noop_key(number), title=f"no-op {number}", simulation=NOOP)
    _model(root, key=LORENZ_KEY, title="Lorenz with plot", simulation=LORENZ + LORENZ_JUDGE)


def _model(root: Path, *, key: str, title: str, simulation: str) -> None:
    folder = root / "system_models" / key.lower()
    folder.mkdir(parents=True)
    (folder / "metadata.yml").write_text(METADATA.format(key=key, title=title))
    (folder / "system_model.py").write_text("")
    (folder / "parameters.py").write_text("")
    (folder / "simulation.py").write_text(simulation)
