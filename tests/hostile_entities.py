"""Entities that attack what runs them, for `tests/integration/test_attacks.py`.

Each is a model whose simulation does something that it must not get away with. What is to come of
it stands beside it.
"""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.hostile_greed import GREED
from tests.hostile_reach import REACH

HOSTILE: Final = dict(enumerate((*GREED, *REACH), 1))
MARK: Final = "ackrep-hostile"
"""In the names of everything that must not reach the host."""
PORT: Final = 47653
FINE: Final = "FINE1"

_HEAD = """
import ctypes, os, signal, socket, sys, threading, time
from ackrep_core import ResultContainer
libc = ctypes.CDLL(None, use_errno=True)
MARK, PORT = {mark!r}, {port}

def denied(work, *arguments):
    \"\"\"Do something that has to fail.\"\"\"
    try:
        found = work(*arguments)
    except (OSError, ValueError):
        return
    raise AssertionError(f"{{work}} {{arguments}} was possible: {{found!r:.100}}")

def call(number, *arguments):
    \"\"\"A system call that has to fail; its number is that of x86_64.\"\"\"
    if os.uname().machine != "x86_64":
        return
    found = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    assert found == -1, f"system call {{number}} was possible: {{found}}"

def simulate():
{body}

def evaluate_simulation(data):
    return data if isinstance(data, ResultContainer) else ResultContainer(success=True)
"""


_PROBE = """
    import tempfile
    places = {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", os.environ["TMPDIR"]}
    found = {place: os.listdir(place) for place in places if os.access(place, os.R_OK)}
    assert not any(found.values()), found
    assert sorted(os.listdir(os.environ["HOME"])) == [".ackrep_context.json"]
    data = [name for name in os.listdir("/check/data") if name != "environment_specifications"]
    assert data == ["system_models"], data
    assert sorted(os.listdir(".")) == ["metadata.yml", "simulation.py", "system_model.py"]
    mine = [p for p in os.listdir("/proc") if p.isdigit() and os.stat(f"/proc/{p}").st_uid > 0]
    assert mine == [str(os.getpid())], mine
    for kind in ("shm", "sem", "msg"):
        assert len(open(f"/proc/sysvipc/{kind}").readlines()) == 1, kind
    print("fine")
"""
"""What the next check looks for."""


def key_of(number: int) -> str:
    """Of the entity of an attack."""
    return f"H{number:04}"


def write_repository(folder: Path, environments: Iterable[str]) -> Path:
    """A data repository with a model for each attack, and one that looks for what they left."""
    for name in environments:
        specification = folder / "environment_specifications" / name
        specification.mkdir(parents=True)
        (specification / "metadata.yml").write_text(
            f"name: {name}_environment\nkey: {name.upper()}1\ntype: environment_specification\n"
        )
    for number, one in HOSTILE.items():
        body = textwrap.indent(textwrap.dedent(one.body).strip(), "    ")
        _write_model(folder, key_of(number), body, environment=one.environment)
    _write_model(folder, FINE, _PROBE.strip("\n"), environment="BARE1")
    return folder


def _write_model(folder: Path, key: str, body: str, *, environment: str) -> None:
    model = folder / "system_models" / key.lower()
    model.mkdir(parents=True)
    (model / "metadata.yml").write_text(
        f"name: {key.lower()}\nkey: {key}\ntype: system_model\ncreator: nobody\n"
        f"compatible_environment: {environment}\n"
    )
    (model / "system_model.py").write_text("")
    (model / "simulation.py").write_text(_HEAD.format(mark=MARK, port=PORT, body=body))
