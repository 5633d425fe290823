"""The data repository of the chaos test: small entities, each of a kind whose verdict is known."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from services.scheduler.domain.check import Verdict
from tests.engine import write_bare_environment

ENVIRONMENT = "bare_environment"
ARTEFACTS = 3
"""Files that an entity of the kind `A` writes."""

_PASSES = """
def evaluate_simulation(data):
    return ResultContainer(success=True, score=1.0, final_state_errors=[0.0])
"""
_HEAD = """\
import os
import time

from ackrep_core import ResultContainer

HERE = os.path.dirname(__file__)
KEY = "{key}"


def simulate():
"""
_WRITES = f"""\
    os.makedirs(os.path.join(HERE, "_data"), exist_ok=True)
    for number in range({ARTEFACTS}):
        with open(os.path.join(HERE, "_data", "file%d.csv" % number), "w") as file:
            file.write("%s,%d\\n" % (KEY, number) * 2000)
        time.sleep(0.05)
"""
_TALKS = """\
    for number in range(40):
        print("line", number, flush=True)
        time.sleep(0.06)
"""


@dataclass(frozen=True)
class Kind:
    """What entities of a kind do, and what has to come out."""

    letter: str
    simulation: str
    verdict: Verdict
    weight: int
    """How many of a hundred entities are of it, about."""


KINDS = (
    Kind("N", f"    return None\n\n{_PASSES}", Verdict.SUCCESS, 30),
    Kind("I", f"    return None\n\n{_PASSES.replace('True', 'False')}", Verdict.INACCURATE, 12),
    Kind("E", f"    raise ValueError(KEY)\n\n{_PASSES}", Verdict.SCRIPT_ERROR, 12),
    Kind("S", f"    time.sleep(1.5)\n\n{_PASSES}", Verdict.SUCCESS, 18),
    Kind("A", f"{_WRITES}\n{_PASSES}", Verdict.SUCCESS, 16),
    Kind("C", f"{_TALKS}\n{_PASSES}", Verdict.SUCCESS, 10),
    Kind("T", f"    time.sleep(3600)\n\n{_PASSES}", Verdict.TIMED_OUT, 2),
)
BY_LETTER = {kind.letter: kind for kind in KINDS}

_METADATA = """\
key: {key}
type: {type}
name: '{name}'
short_description: ''
version: 0.1.0
tag_list: []
creator: ''
editor_list: []
creation_date: '2026-11-22'
external_references: ''
notes: ''
"""
_MODEL = """\
estimated_runtime: '1s'
compatible_environment: 'ENV00'
system_model_file: system_model.py
simulation_file: simulation.py
"""


def content_of(key: str, number: int) -> str:
    """Sha256 of the file of this number that an entity of the kind `A` writes."""
    return hashlib.sha256(f"{key},{number}\n".encode() * 2000).hexdigest()


def write(source: Path, definitions: Path, keys: list[str]) -> None:
    """Writes entities with these keys, and the environment they run in.

    Args:
        source: The data repository.
        definitions: Folder of environment definitions.
        keys: The letter of a kind and four digits each.
    """
    environment = source / "environment_specifications" / ENVIRONMENT
    environment.mkdir(parents=True)
    (environment / "metadata.yml").write_text(
        _METADATA.format(key="ENV00", type="environment_specification", name=ENVIRONMENT)
    )
    for key in keys:
        folder = source / "system_models" / key.lower()
        folder.mkdir(parents=True)
        metadata = _METADATA.format(key=key, type="system_model", name=f"chaos {key}")
        (folder / "metadata.yml").write_text(metadata + _MODEL)
        (folder / "system_model.py").write_text("")
        (folder / "parameters.py").write_text("")
        simulation = _HEAD.format(key=key) + BY_LETTER[key[0]].simulation
        (folder / "simulation.py").write_text(simulation)
    write_bare_environment(definitions, ENVIRONMENT)
