"""What a check tells beyond its verdict: the model in formulas, whole arrays, files read."""

import io
import textwrap

import numpy as np
import pytest

from services.plans import Folder, document_plan, parameters_plan, plan_of
from services.runner.sessions.outcome import OutcomeError, Verdict, outcome_of
from services.runner.sessions.session import Limits
from tests.document_builders import MODEL, PARAMETERS
from tests.requirements import need
from tests.unit.runner.harness_process import EVALUATE, Seen, check, harness, tree
from tests.unit.runner.test_harness_rules import notebook

FOLDER = Folder(key="MODEL", type="system_model", path="system_models/m", metadata={"key": "MODEL"})
SIMULATE = "def simulate(): print('done')\n" + EVALUATE
TABLE = r"""\begin{tabular}{lcll}
\hline
 Name          &  Symbol  & Value         & Range    \\
\hline
 gain          &   $a$    & $2$           & $[0, 5]$ \\
 time constant & $\tau_{0}$ & $\frac{1}{3}$ & -        \\
\hline
\end{tabular}
"""


async def checked(
    files: dict[str, str], *, limits: Limits | None = None, preload: tuple[str, ...] = ("sympy",)
) -> Seen:
    """Checks a model made of these files."""
    contents = {"metadata.yml": "key: MODEL", "system_model.py": "", **files}
    async with harness(preload=preload) as session:
        plan = plan_of("MODEL", [FOLDER])
        return await check(session, (plan, [tree(FOLDER.path, contents)]), limits=limits)


async def test_a_model_is_told_in_formulas() -> None:
    """States, inputs, one equation for each state with the names of parameters.py, the table."""
    files = {"system_model.py": MODEL, "parameters.py": PARAMETERS, "simulation.py": SIMULATE}
    seen = await checked(files)
    found = seen.outcome.description
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback
    assert found is not None
    assert (("x_{1}",), ("u_{1}",)) == (found.states, found.inputs)
    assert (r"\dot{x}_{1} = \frac{a u_{1} - x_{1}}{\tau_{0}}",) == found.equations
    assert ("Name", "Symbol", "Value", "Range") == found.columns
    assert [
        ("a", 2.0, ("gain", "$a$", "$2$", "$[0, 5]$")),
        ("tau", pytest.approx(1 / 3), ("time constant", r"$\tau_{0}$", r"$\frac{1}{3}$", "-")),
    ] == [(row.name, row.value, row.cells) for row in found.parameters]
    assert () == seen.outcome.warnings
    assert "done\n" == seen.stdout


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('not today')", "could not be told: ValueError: not today"),
        ("while True: pass", "could not be told within"),
        (("import signal; signal.alarm(0)\n        while True:\n            try:\n"
         "                while True: pass\n            except BaseException: pass"),
         "could not be told within"),
        ("import os; os._exit(3)", "ended early"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended early"),
        ("x = 'x' * (1 << 33)", "MemoryError"),
    ],
)  # fmt: skip
async def test_a_model_that_cannot_be_told_is_a_remark(body: str, words: str) -> None:
    """Whatever looking at the model does, the verdict is the evaluation's, and soon there."""
    looking = f"class Model:\n    def __init__(self):\n        {body}\n"
    seen = await checked({"system_model.py": looking, "simulation.py": SIMULATE})
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome
    assert seen.outcome.description is None
    assert words in seen.outcome.warnings[0]
    assert seen.outcome.phases["describe"] < 10
    assert seen.outcome.cleanliness.clean, seen.outcome.cleanliness


async def test_describing_leaves_the_check_time() -> None:
    """It takes no more than half of what is left of the time limit."""
    looking = "class Model:\n    def __init__(self):\n        while True: pass\n"
    files = {"system_model.py": looking, "simulation.py": SIMULATE}
    seen = await checked(files, limits=Limits(wall_seconds=2), preload=())
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome


async def test_large_and_complex_arrays_are_saved() -> None:
    """Whole, with shape and type, as files that carry no code; small ones are not."""
    evaluate = """
    import numpy as np
    from ackrep_core import ResultContainer
    class Strange: pass
    def simulate(): pass
    def evaluate_simulation(data):
        result = ResultContainer(success=True)
        result.long = np.arange(6000, dtype="int32").reshape(2, 3000)
        result.small = np.zeros(3)
        result.field = np.array([1 + 2j, 3])
        result.point = 1 - 1j
        setattr(result, "../../odd name", np.ones(300))
        setattr(result, "odd name", [0.5] * 5000)
        result.objects = [Strange()] * 500
        return result
    """
    seen = await checked({"simulation.py": textwrap.dedent(evaluate)}, preload=("numpy",))
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback
    numbers = {number.name: number for number in seen.outcome.numbers}
    arrays = {
        name: np.load(io.BytesIO(seen.files[f"{FOLDER.path}/{number.file}"]), allow_pickle=False)
        for name, number in numbers.items()
        if number.file
    }
    assert {"long", "field", "point", "../../odd name", "odd name"} == set(arrays)
    assert ((2, 3000), np.dtype("int32"), 5999) == (
        arrays["long"].shape,
        arrays["long"].dtype,
        arrays["long"][-1, -1],
    )
    assert numbers["long"].truncated
    assert (2, 3000) == numbers["long"].shape
    assert 4096 == len(numbers["long"].data)
    assert [1 + 2j, 3] == arrays["field"].tolist()
    assert 1 - 1j == arrays["point"][()]
    assert 5000 == arrays["odd name"].size
    assert {f"{FOLDER.path}/_results"} == {path.rpartition("/")[0] for path in seen.files}


async def test_arrays_beyond_the_limit_are_a_remark() -> None:
    """What artefacts may not hold is not saved; the result stays, and says so."""
    evaluate = (
        "import numpy as np\nfrom ackrep_core import ResultContainer\ndef simulate(): pass\n"
        "def evaluate_simulation(data):\n"
        "    return ResultContainer(success=True, big=np.zeros(10**6), fits=np.zeros(1000))\n"
    )
    limits = Limits(wall_seconds=60, artefact_bytes=10**6)
    seen = await checked({"simulation.py": evaluate}, limits=limits, preload=("numpy",))
    assert ["", "_results/fits.npy"] == [number.file for number in seen.outcome.numbers]
    assert ("the array big is not saved: its 8000000 bytes are more than artefacts may have",) == (
        seen.outcome.warnings
    )
    assert Verdict.SUCCESS == seen.outcome.verdict


async def test_the_parameter_table_alone() -> None:
    """`parameters.tex` is made without the model and its simulation; a description on request."""
    files = {"parameters.py": PARAMETERS, "system_model.py": MODEL, "simulation.py": "1 / 0"}
    trees = [tree(FOLDER.path, {"metadata.yml": "key: MODEL", **files})]
    async with harness(preload=("sympy",)) as session:
        seen = await check(session, (parameters_plan("MODEL", [FOLDER]), trees))
        told = await check(session, (parameters_plan("MODEL", [FOLDER], described=True), trees))
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback
    made = seen.files[f"{FOLDER.path}/_results/parameters.tex"].decode()
    assert TABLE.split() == made.split()
    assert seen.outcome.description is None
    assert told.outcome.description is not None
    assert (f"{FOLDER.path}/parameters.py",) == tuple(
        path for path in seen.outcome.files_read if path.endswith(".py")
    )


async def test_a_document_needs_tex() -> None:
    """Where there is none, the error says so."""
    plan = document_plan("document", main="main")
    async with harness() as session:
        seen = await check(session, (plan, [tree("document", {"main.tex": "\\bye"})]))
    assert Verdict.SCRIPT_ERROR == seen.outcome.verdict
    assert "pdflatex is not installed" in seen.outcome.message or "main.tex" in seen.outcome.message


async def test_files_that_other_processes_read_are_told() -> None:
    """A kernel and a program that the entity starts count as the entity."""
    try:
        import nbclient  # noqa: F401 - what is needed is the package
        import nbconvert  # noqa: F401
    except ImportError:
        need(None, what="nbclient and nbconvert (pip install -e '.[science]')")
    folder = Folder(key="BOOKS", type="notebook", path="notebooks/n", metadata={"key": "BOOKS"})
    book = notebook(
        "open('table.csv').read()",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', \"open('deep.txt')\"])",
    )
    contents = {"book.ipynb": book, "table.csv": "1", "deep.txt": "2", "unread.txt": "3"}
    plan = plan_of("BOOKS", [Folder(**{**vars(folder), "files": frozenset(contents)})])
    async with harness() as session:
        seen = await check(session, (plan, [tree(folder.path, contents)]))
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback
    assert ("notebooks/n/book.ipynb", "notebooks/n/deep.txt", "notebooks/n/table.csv") == (
        seen.outcome.files_read
    )


@pytest.mark.parametrize(
    "change",
    [
        {"equations": "x"},
        {"equations": ["x" * 20_000]},
        {"equations": ["x"] * 501},
        {"parameters": [{"cells": [1], "name": "a", "value": 1.0}]},
        {"parameters": [{"cells": [], "name": "a", "value": "much"}]},
        {"parameters": None},
    ],
)
def test_strange_descriptions_are_refused(change: dict[str, object]) -> None:
    """The host takes a description of our form and of bounded size, or breaks off."""
    lists: dict[str, object] = {
        name: [] for name in ("states", "inputs", "equations", "columns", "parameters")
    }
    good = outcome_of({"verdict": "SUCCESS", "description": lists})
    assert good.description is not None
    with pytest.raises(OutcomeError):
        outcome_of({"verdict": "SUCCESS", "description": {**lists, **change}})
