"""Solutions, notebooks, random numbers and shims, by running them."""

import json
from collections.abc import Mapping

from services.plans import Folder, plan_of
from services.runner.sessions.outcome import Verdict
from tests.requirements import need
from tests.unit.runner.harness_process import check, harness, model, tree

FOLDERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "problem_specifications/first": ("problem_specification", {"problem.py": "1 / 0"}),
    "problem_specifications/last": (
        "problem_specification",
        {
            "problem.py": (
                "from ackrep_core import ResultContainer\n"
                "from system_models.m.system_model import start\n"
                "class ProblemSpecification: x0 = start\n"
                "def evaluate_solution(data): return ResultContainer(success=data == 42)\n"
            )
        },
    ),
    "method_packages/built": (
        "method_package",
        {"_build/helper.py": "name = 'built'", "src/helper.py": "name = 'source'"},
    ),
    "method_packages/plain": (
        "method_package",
        {"src/helper.py": "name = 'plain'", "src/other.py": ""},
    ),
    "system_models/m": ("system_model", {"system_model.py": "start = 41"}),
    "problem_solutions/s": (
        "problem_solution",
        {
            "solution.py": (
                "import helper, other\n"
                "def solve(spec):\n"
                "    print(helper.name, isinstance(spec, type))\n"
                "    return spec.x0 + 1\n"
            )
        },
    ),
}


async def test_solution_runs_with_its_last_problem_and_packages() -> None:
    """Only the last problem is used; the last listed package comes first; a build beats sources."""
    metadata: dict[str, dict[str, object]] = {
        "S": {"solved_problem_list": ["FIRST", "LAST"], "method_package_list": ["PLAIN", "BUILT"]}
    }
    folders = [
        Folder(
            key=path.rpartition("/")[2].upper(),
            type=kind,
            path=path,
            metadata=metadata.get(path.rpartition("/")[2].upper(), {}),
            files=frozenset(files),
        )
        for path, (kind, files) in FOLDERS.items()
    ]
    trees = [tree(path, files) for path, (_, files) in FOLDERS.items()]
    async with harness() as session:
        seen = await check(session, (plan_of("S", folders), trees))
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback
    assert "built True\n" == seen.stdout
    assert ("only the last solved problem, LAST, is checked; not FIRST",) == seen.outcome.warnings


async def test_random_numbers_follow_the_seed() -> None:
    """Every global generator, and numpy's default one, gives the same numbers for the same seed."""
    simulation = """
import random, numpy
def simulate():
    print(random.random(), numpy.random.rand(), numpy.random.default_rng().random(),
          hash("text"))
"""
    async with harness(preload=("numpy",)) as session:
        texts = [(await check(session, model(simulation), seed=seed)).stdout for seed in (7, 7, 8)]
        environment = await check(session, model("import os\ndef simulate(): print(os.environ)"))
    async with harness() as cold:
        texts.append((await check(cold, model(simulation), seed=7)).stdout)
    assert texts[0] == texts[1] == texts[3]
    assert texts[0] != texts[2]
    assert "'OMP_NUM_THREADS': '1'" in environment.stdout


async def test_shims_are_added_and_told() -> None:
    """An environment's shim is there for entities and for processes they start, and is told."""
    simulation = """
import inspect, subprocess, sys
def simulate():
    print(inspect.getargspec(lambda a, b=1: 0).args)
    program = "import inspect; print(inspect.getargspec(lambda c: 0).args)"
    print(subprocess.run([sys.executable, "-c", program], stdout=-1).stdout.decode())
"""
    async with harness(shims=("inspect.getargspec",)) as session:
        seen = await check(session, model(simulation))
    assert ("inspect.getargspec",) == seen.outcome.shims
    assert "['a', 'b']\n['c']\n\n" == seen.stdout


def notebook(*cells: str) -> str:
    """A notebook with these code cells."""
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"c{number}",
                    "metadata": {},
                    "source": source,
                    "outputs": [],
                    "execution_count": None,
                }
                for number, source in enumerate(cells)
            ],
        }
    )


async def test_notebook_is_executed_and_rendered() -> None:
    """All cells run in a kernel of the environment; the page is an artefact; a raise is told."""
    try:
        import nbclient  # noqa: F401 - what is needed is the package
        import nbconvert  # noqa: F401
    except ImportError:
        need(None, what="nbclient and nbconvert (pip install -e '.[science]')")
    folder = Folder(
        key="BOOKS",
        type="notebook",
        path="notebooks/n",
        metadata={"key": "BOOKS", "notebook_file": "book.ipynb"},
    )
    plan = plan_of("BOOKS", [folder])
    good = notebook(
        "import ackrep_core, random\nprint('cell', random.random())",
        "from ackrep_core.core import get_metadata_from_file as g\ng('metadata.yml')['key']",
    )
    bad = notebook("x = 1", "raise ValueError('no')")
    async with harness() as session:
        first = await check(session, (plan, [tree(folder.path, _book(good))]), seed=3)
        second = await check(session, (plan, [tree(folder.path, _book(good))]), seed=3)
        failed = await check(session, (plan, [tree(folder.path, _book(bad))]))
    assert Verdict.SUCCESS == first.outcome.verdict, first.outcome.traceback
    assert "cell 0.23796462709189137\n" == first.stdout, "the first number for the seed 3"
    assert Verdict.SUCCESS == second.outcome.verdict, second.outcome
    assert first.stdout == second.stdout
    page = first.files["notebooks/n/_data/book.html"].decode()
    assert "BOOKS" in page
    assert Verdict.SCRIPT_ERROR == failed.outcome.verdict
    assert "ValueError: no" == failed.outcome.message
    assert "raise ValueError" in failed.outcome.traceback
    assert "\x1b[" not in failed.outcome.traceback
    assert first.outcome.cleanliness.clean, first.outcome.cleanliness


def _book(content: str) -> dict[str, str]:
    return {"book.ipynb": content, "metadata.yml": "key: BOOKS"}
