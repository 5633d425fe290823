"""Files of the 2022 results format for tests, written from scratch, structured as real ones."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

import yaml

LIBRARY = """\
  File "/opt/conda/lib/python3.8/site-packages/algebra/matrices.py", line 1046, in _shape
    raise ValueError('wrong dimensions')
ValueError: wrong dimensions"""
"""End of a traceback that is the same for all entities."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entity in a file."""

    key: str
    result: int = 0
    issues: str = ""
    runtime: float = 5.5
    env_version: str = "default_conda_environment:0.1.12"


def results_file(
    time: datetime, entries: Sequence[Entry], *, data: str = "d" * 40, core: str = "c" * 40
) -> tuple[str, bytes]:
    """Writes a file: its name and content."""

    def commit(sha: str, message: str) -> dict[str, str]:
        date = time.strftime("%Y-%m-%d %H:%M:%S")
        return {
            "author": "Someone",
            "branch": "develop",
            "date": date,
            "message": message,
            "sha": sha,
        }

    content: dict[str, object] = {
        "ci_logs": {"build_number": "7", "build_url": "https://ci.invalid/7"},
        "commit_logs": {
            "ackrep_core": commit(core, "feat: core"),
            "ackrep_data": commit(data, "feat: models"),
        },
    }
    for entry in entries:
        fields: dict[str, object] = {
            "date": time.strftime("%Y-%m-%d %H:%M:%S"),
            "env_version": entry.env_version,
            "issues": entry.issues,
            "result": entry.result,
            "runtime": entry.runtime,
        }
        content[entry.key] = {name: value for name, value in fields.items() if value != "absent"}
    text = yaml.safe_dump(content, sort_keys=False)
    return f"ci_results__{time:%Y_%m_%d__%H_%M_%S}.yaml", text.encode()


def issues(
    key: str, *, stderr: str, stdout: str = "", status: int = 1, ending: str = "Fail."
) -> str:
    """What the 2022 system kept of a check that did not pass."""
    return (
        f'Checking <SystemModel (pk: 7, key: {key})> "(A Model, 10s)"\n'
        "10:57:57 INFO       ... Creating exec-script ... \n"
        "10:58:00 ERROR    \n"
        f"        The command `python /code/ackrep_data/execscript.py` exited with returncode "
        f"{status}.\n\n"
        f"        stdout: {stdout}\n\n"
        "        stderr: * Owlready2 * Warning: optimized parser is not available\n"
        f"{stderr}\n\n        \n\n"
        "Calculated with default_conda_environment:0.1.12\n\n"
        f"{ending}\n"
    )


def traceback(folder: str, end: str, *, line: int = 13) -> str:
    """A traceback of an entity whose folder has this name."""
    path = f"/code/ackrep_data/system_models/{folder}/system_model.py"
    return (
        "Traceback (most recent call last):\n"
        '  File "/code/ackrep_data/execscript.py", line 35, in <module>\n'
        "    import system_model\n"
        f'  File "{path}", line {line}, in start\n'
        "    params = import_parameters()\n"
        f"{end}"
    )


def script_error(key: str, end: str = LIBRARY) -> Entry:
    """An entity that fails with an exception."""
    text = issues(key, stderr=traceback(f"model_{key}", end))
    return Entry(key=key, result=1, issues=text)


def missing_module(key: str, name: str) -> Entry:
    """An entity that needs a module that is not there."""
    return script_error(
        key,
        f'  File "/code/ackrep_data/system_models/model_{key}/simulation.py", line 3, in <module>\n'
        f"    from {name} import solve_{key.lower()}\n"
        f"ModuleNotFoundError: No module named '{name}'",
    )


def timed_out(key: str) -> Entry:
    """An entity that took too long."""
    text = (
        f"Checking <ProblemSolution (pk: 3, key: {key})>\n"
        "10:53:36 ERROR    Entity calculation reached timeout (180s).\n\n"
        "Calculated with default_conda_environment:0.1.12\n\nFail.\n"
    )
    return Entry(key=key, result=1, issues=text, runtime=184.4)


def inaccurate(key: str, number: float) -> Entry:
    """An entity whose numbers are not the expected ones."""
    text = issues(
        key,
        stderr="",
        stdout=f"Unexpected result!\n\nDiscrepancy between states: [{number}, -0.5, 1e-09]\n",
        status=2,
        ending="Inaccurate.",
    )
    return Entry(key=key, result=2, issues=text, runtime=27.5)


def keys(count: int, *, letter: str = "M") -> list[str]:
    """So many keys."""
    return [f"{letter}{number:04d}" for number in range(count)]
