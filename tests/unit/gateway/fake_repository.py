# ruff: noqa: E501  # one line for each entity
"""What is in the made-up repository, one line for each entity."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2

T = catalog_pb2.EntityType

ENTITIES: list[tuple[str, int, str, str]] = [
    ("UXMFA", T.ENTITY_TYPE_SYSTEM_MODEL, "Lorenz system", "Three ordinary differential equations with a strange attractor."),
    ("K9PND", T.ENTITY_TYPE_SYSTEM_MODEL, "Cart with an inverted pendulum", "Two degrees of freedom, one input; equations derived symbolically."),
    ("D4MTR", T.ENTITY_TYPE_SYSTEM_MODEL, "DC motor with flexible shaft and a load of unknown inertia, voltage input, measured at both ends", "A linear system of fourth order whose title is rather long on purpose."),
    ("LRHZX", T.ENTITY_TYPE_SYSTEM_MODEL, "Rössler system (broken)", "Its parameters do not parse."),
    ("B2LQR", T.ENTITY_TYPE_PROBLEM_SOLUTION, "Balancing the pendulum with LQR", "State feedback from the linearised model."),
    ("F7FLT", T.ENTITY_TYPE_PROBLEM_SOLUTION, "Flatness-based transition of the motor", "Feedforward from a polynomial for the flat output."),
    ("E1EUL", T.ENTITY_TYPE_PROBLEM_SOLUTION, "Oscillator with explicit Euler", "Too coarse a step: drifts from the reference."),
    ("N0TBK", T.ENTITY_TYPE_NOTEBOOK, "A tour of loop shaping", "From the plant to the controller in eight cells."),
    ("P3SWG", T.ENTITY_TYPE_PROBLEM_SPECIFICATION, "Stabilise the upright pendulum", "From ten degrees off, within three seconds."),
    ("P4TRN", T.ENTITY_TYPE_PROBLEM_SPECIFICATION, "Rest-to-rest transition", "A quarter turn in half a second."),
    ("C1STB", T.ENTITY_TYPE_PROBLEM_CLASS, "Stabilisation", ""),
    ("M1LQR", T.ENTITY_TYPE_METHOD_PACKAGE, "LQR design", "Riccati equation and gains."),
    ("ENVD1", T.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION, "demo_environment", "NumPy, SciPy, SymPy, Matplotlib."),
    ("DOC01", T.ENTITY_TYPE_DOCUMENTATION, "Flat outputs", "What they are good for."),
    ("CMT01", T.ENTITY_TYPE_COMMENT, "On the step size", ""),
]  # fmt: skip

RELATIONS: dict[str, list[tuple[str, str]]] = {
    "B2LQR": [("solved_problem_list", "P3SWG"), ("method_package_list", "M1LQR"), ("compatible_environment", "ENVD1")],
    "F7FLT": [("solved_problem_list", "P4TRN"), ("compatible_environment", "ENVD1")],
    "E1EUL": [("solved_problem_list", "P4TRN"), ("method_package_list", "GONE1")],
    "P3SWG": [("problemclass_list", "C1STB"), ("related_system_models_list", "K9PND")],
    "UXMFA": [("compatible_environment", "ENVD1")],
    "CMT01": [("referenced_entity_list", "E1EUL")],
}  # fmt: skip

TAGS: dict[str, list[str]] = {
    "UXMFA": ["ocse:Autonomous_System", "chaos", "simulation"],
    "K9PND": ["ocse:Mechanical_System", "ocse:Input_Affine_System", "pendulum", "simulation"],
    "D4MTR": ["ocse:Linear_State_Space_System", "simulation"],
    "LRHZX": ["ocse:Autonomous_System", "chaos", "simulation"],
    "B2LQR": ["ocse:State_Feedback", "pendulum"],
    "F7FLT": ["ocse:Flatness_Based_Control"],
    "E1EUL": ["simulation"],
}

CONCEPTS: list[tuple[str, str, str]] = [
    ("OCSE_Entity", "", "The root of all concepts"),
    ("Dynamical_System", "OCSE_Entity", ""),
    ("State_Space_System", "Dynamical_System", "First-order equations, $\\dot x = f(x, u)$"),
    ("Linear_State_Space_System", "State_Space_System", "$\\dot x = A x + B u$"),
    ("Nonlinear_State_Space_System", "State_Space_System", ""),
    ("Autonomous_System", "Nonlinear_State_Space_System", "Without input and without explicit dependence on time"),
    ("Input_Affine_System", "Nonlinear_State_Space_System", "$\\dot x = f(x) + g(x) u$"),
    ("Mechanical_System", "Dynamical_System", "Bodies, springs, dampers"),
    ("Control_Method", "OCSE_Entity", ""),
    ("State_Feedback", "Control_Method", "The input is a function of the state"),
    ("Flatness_Based_Control", "Control_Method", ""),
]  # fmt: skip
NAMESPACE = "https://example.org/ontology#"

README = r"""# The Lorenz system

A *very* simple model of convection with the parameters $\sigma$, $\rho$ and $\beta$:

$$\dot x = \sigma (y - x), \qquad \dot y = x (\rho - z) - y, \qquad \dot z = x y - \beta z.$$

![The orbit](data/orbit.png)

It runs in `ENVD1`; see [the equations](simulation.py) and
[Lorenz' paper](https://doi.org/10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2).

| parameter | value |
|-----------|-------|
| sigma     | 10    |
| rho       | 28    |

```python
model = Model(x0=[0.1, 0, 20])
```
"""

TREE = "7c1f0a9be2d34c55a8f1e07d3b9c6a2145fe8d90"
REVISION = f"revisions/{TREE}"
EARLIER = "revisions/1a2b3c4d5e6f708192a3b4c5d6e7f80912345678"
ENVIRONMENT = "environments/demo_environment"

V = check_pb2.Verdict
S = check_pb2.Check.State

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/runpy.py", line 198, in _run_module_as_main
    return _run_code(code, main_globals, None)
  File "system_models/roessler_broken/simulation.py", line 7, in <module>
    import parameters
  File "system_models/roessler_broken/parameters.py", line 12
    parameter_list = [a, b, c
                     ^
SyntaxError: '[' was never closed
"""


def stamp(seconds: float) -> Timestamp:
    """Makes a timestamp of seconds since the epoch."""
    moment = Timestamp()
    moment.FromNanoseconds(int(seconds * 1e9))
    return moment


def length(seconds: float) -> Duration:
    """Makes a duration of seconds."""
    span = Duration()
    span.FromNanoseconds(int(seconds * 1e9))
    return span
