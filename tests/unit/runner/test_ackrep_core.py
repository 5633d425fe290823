"""What entities import: by importing it as they do, in processes of their own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.requirements import need

RUNTIME = Path(__file__).parents[3] / "services" / "runner" / "runtime"

METADATA = "key: MODEL\ntype: system_model\n"

PARAMETERS = """
import sympy as sp
model_name = "Test"
pp_symb = [a, b, c] = sp.symbols("a, b, c", real=True)
pp_sf = [2, sp.Rational(1, 2) * a, 3 * sp.pi]
pp_subs_list = [(a, 2)]
latex_names = {}
tabular_header = col_alignment = col_1 = []
start_columns_list = end_columns_list = []
pp_range_list = [(0, 2), None, "free"]
"""

MODEL = """
import os
import sympy as sp
from ackrep_core.core import get_metadata_from_file
from ackrep_core.system_model_management import GenericModel, import_parameters
md = get_metadata_from_file(os.path.join(os.path.dirname(__file__), "metadata.yml"))
params = import_parameters(md["key"])
class Model(GenericModel):
    def initialize(self):
        self.u_dim = 1
        self.sys_dim = 2
        self.has_params = True
        self.params = params
    def uu_default_func(self):
        return lambda t, xx: [10 * t]
    def get_rhs_symbolic(self):
        if self.dxx_dt_symb is None:
            x1, x2 = self.xx_symb
            a, b, c = self.pp_symb
            self.dxx_dt_symb = sp.Matrix([a * x2, -b * x1 + self.uu_symb[0]])
        return self.dxx_dt_symb
"""


def run(folder: Path, program: str) -> list[str]:
    """What a program prints in a fresh Python with the runtime and the folder on its path."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{RUNTIME}", "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    return result.stdout.splitlines()


@pytest.fixture
def entity(tmp_path: Path) -> Path:
    """The folder of a system model in a data repository."""
    folder = tmp_path / "system_models" / "m"
    folder.mkdir(parents=True)
    (folder / "metadata.yml").write_text(METADATA)
    (folder / "parameters.py").write_text(PARAMETERS)
    (folder / "system_model.py").write_text(MODEL)
    return folder


def test_import_is_light(tmp_path: Path) -> None:
    """Importing the package loads neither numpy nor sympy nor matplotlib nor a YAML parser."""
    loaded = run(
        tmp_path,
        """
        import sys, ackrep_core, ackrep_core.core, ackrep_core.system_model_management
        print({"numpy", "sympy", "matplotlib", "yaml", "django"} & set(sys.modules))
        """,
    )
    assert ["set()"] == loaded


def test_result_container_takes_attributes(tmp_path: Path) -> None:
    """Keywords become attributes, more may follow; a method's name is refused."""
    printed = run(
        tmp_path,
        """
        from ackrep_core import ResultContainer
        rc = ResultContainer(score=1.0)
        rc.success = False
        print(rc.score, rc.success, rc)
        try: ResultContainer(item_list=1)
        except NameError as error: print(error)
        """,
    )
    assert "1.0 False <ResultContainer: {'score': 1.0, 'success': False}>" == printed[0]
    assert "item_list" in printed[1]


def test_parameters_are_plain_floats(entity: Path) -> None:
    """Values are floats where they are numbers, in the symbols' order, with substitutions done."""
    printed = run(
        entity,
        """
        from ackrep_core.system_model_management import import_parameters
        p = import_parameters("MODEL")
        print(p.get_default_parameters(), {type(v) for v in p.get_default_parameters().values()})
        print(p.get_symbolic_parameters(), p.base_path, p is import_parameters("MODEL"))
        try: import_parameters("OTHER")
        except FileNotFoundError as error: print(error)
        """,
    )
    assert "{a: 2.0, b: 1.0, c: 9.42477796076938} {<class 'float'>}" == printed[0]
    assert f"(a, b, c) {entity} True" == printed[1]
    assert "OTHER" in printed[2]


def test_parameters_without_a_key_are_those_beside_the_caller(entity: Path) -> None:
    """`import_parameters()` reads the key from the metadata beside the calling file."""
    (entity / "asks.py").write_text(
        "from ackrep_core.system_model_management import import_parameters\n"
        "print(import_parameters().model_name)\n"
    )
    assert ["Test"] == run(entity, "import asks")


def test_incomplete_parameters_are_refused(entity: Path) -> None:
    """A parameters.py that lacks what the documentation needs is an error that names it."""
    (entity / "parameters.py").write_text("pp_symb = pp_sf = pp_subs_list = []\n")
    printed = run(
        entity,
        """
        from ackrep_core.system_model_management import import_parameters
        try: import_parameters("MODEL")
        except AssertionError as error: print(error)
        """,
    )
    assert printed[0].endswith(
        "does not define model_name, latex_names, tabular_header, col_alignment, col_1, "
        "start_columns_list, end_columns_list"
    )


def test_model_has_symbols_values_and_right_hand_sides(entity: Path) -> None:
    """A model's attributes and functions are those that entities use."""
    printed = run(
        entity,
        """
        from system_model import Model
        m = Model()
        print(m.n, m.u_dim, m.xx_symb, m.uu_symb, m.t_symb, m.pp_symb)
        print(list(m.pp_dict.values()), m.pp_str_dict["b"], m.get_parameter_value("a"))
        print(m.get_rhs_symbolic_num_params().tolist())
        rhs = m.get_rhs_func()
        print([float(x) for x in rhs(0.5, [3.0, 4.0])])
        m.set_input_func(lambda t, xx: [0])
        print([float(x) for x in rhs(0.5, [3.0, 4.0])])
        print(Model(pp=[1, 2, 3]).pp_str_dict, Model(pp={"a": 5}).pp_str_dict["a"])
        print(Model(u_func=lambda t, xx: [7]).uu_func(0, None))
        try: Model(pp=[1])
        except AssertionError as error: print(error)
        """,
    )
    assert "2 1 [x1, x2] [u1] t [a, b, c]" == printed[0]
    assert "[2.0, 1.0, 9.42477796076938] 1.0 2.0" == printed[1]
    assert "[[2*x2], [u1 - x1]]" == printed[2], "exact values keep expressions exact"
    assert "[8.0, 2.0]" == printed[3]
    assert "[8.0, -3.0]" == printed[4]
    assert "{'a': 1, 'b': 2, 'c': 3} 5" == printed[5]
    assert "[7]" == printed[6]
    assert "1 parameter values for 3 parameters" == printed[7]


def test_model_without_parameters_or_inputs(tmp_path: Path) -> None:
    """`params = None` means no parameters whatever is claimed; free dimensions have a default."""
    printed = run(
        tmp_path,
        """
        import sympy as sp
        from ackrep_core.system_model_management import GenericModel
        class Chain(GenericModel):
            def initialize(self):
                self.u_dim, self.default_param_sys_dim = 0, 3
                self.has_params, self.params = True, None
            def get_rhs_symbolic(self):
                return self.xx_symb[1:] + [0]
        m = Chain()
        print(m.n, m.has_params, m.pp_dict, m.uu_func(0, 0), Chain(x_dim=2).n)
        print(m.get_rhs_func()(0, [1, 2, 3]))
        try: Chain(x_dim=-1)
        except AssertionError as error: print(error)
        """,
    )
    assert "3 False None [] 2" == printed[0]
    assert "[2, 3, 0]" == printed[1]
    assert "the number of states must be a positive integer, not -1" == printed[2]


def test_plots_land_where_both_generations_expect_them(tmp_path: Path) -> None:
    """The older form names its folder by type, the newer one writes beside the calling file."""
    try:
        import matplotlib  # noqa: F401 - what is needed is the package
    except ImportError:
        need(None, what="matplotlib (pip install -e '.[science]')")
    solution = tmp_path / "problem_solutions" / "s"
    model = tmp_path / "system_models" / "m"
    for folder in (solution, model):
        folder.mkdir(parents=True)
        (folder / "draws.py").write_text(
            "import os\n"
            "import matplotlib.pyplot as plt\n"
            "from ackrep_core.system_model_management import save_plot_in_dir\n"
            "plt.plot([0, 1])\n"
            "save_plot_in_dir(os.path.dirname(__file__), plt)\n"
            "save_plot_in_dir()\n"
            "save_plot_in_dir('plot_1.png')\n"
        )
        run(folder, "import draws")
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert [
        "problem_solutions/s/_data/plot.png",
        "problem_solutions/s/_data/plot_1.png",
        "problem_solutions/s/_solution_data/plot.png",
        "system_models/m/_data/plot.png",
        "system_models/m/_data/plot_1.png",
        "system_models/m/_system_model_data/plot.png",
    ] == written
