"""What surrounds a check: its user, its folders, its variables; made before it, emptied after it."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Dict, List, Optional, Set

from . import checking, confinement, folders, processes, reach, trial

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX")
"""What a check inherits from the image."""
FIXED_VARIABLES = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    # Entities activate a debugger on exceptions; not in here.
    "NO_IPS_EXCEPTHOOK": "True",
}
"""The same for every check: same inputs, same numbers."""


class Surroundings:
    """The places of one environment's checks, and who owns them.

    Args:
        configuration: the `config` frame.
        run_root: where the runtime was unpacked.
    """

    def __init__(self, configuration: Dict[str, Any], run_root: str) -> None:
        self.configuration = configuration
        self.data_root: str = configuration["data_root"]
        self.work_root: str = configuration["work_root"]
        self.boot = os.path.join(run_root, "boot")
        self.site = os.path.join(run_root, "site")
        self.run_root = run_root
        self.isolated = bool(configuration["isolated"]) and os.getpid() == 1
        self.uid: Optional[int] = None
        self._count = 0
        self._spared: Dict[str, Set[str]] = {}
        for root in (self.data_root, self.work_root):
            os.makedirs(root, exist_ok=True)
        for root in configuration["clean"]:
            if os.path.isdir(root):
                self._spared[root] = set(os.listdir(root))
        places = (self.data_root, self.work_root, self.site, sys.prefix, sys.base_prefix)
        self._reach = reach.reach(configuration, run_root, self.isolated)
        self.plot_folder = self._plot_folder()
        self.trial = trial.best(
            confinement.possible(places),
            self._reach,
            self.isolated,
            int(configuration["uids"][0]),
            run_root,
        )
        folders.empty(self.work_root, set(), [])
        self.rung = self.trial.rung
        self.uid = self.next_user()

    @property
    def confinement(self) -> Dict[str, Any]:
        """How each check is confined, for the wire."""
        return {"rung": self.rung, "reach": self._reach, "isolated": self.isolated}

    def next_user(self) -> Optional[int]:
        """Another user for each check: what one owns, the next cannot reach."""
        if not confinement.has_own_user(self.rung):
            return None
        first, count = self.configuration["uids"]
        self._count += 1
        return int(first) + (self._count - 1) % int(count)

    def _plot_folder(self) -> str:
        """Where the zygote's matplotlib finds its font list: the image's, if it has one."""
        folder = os.path.join(self.run_root, "matplotlib")
        os.makedirs(folder, exist_ok=True)
        given = os.environ.get("MPLCONFIGDIR")
        if given and os.path.isdir(given):
            for name in os.listdir(given):
                if name.startswith("fontlist"):
                    shutil.copy(os.path.join(given, name), folder)
        return folder

    def environment(self, more: Dict[str, str]) -> Dict[str, str]:
        """Variables: the image's, the environment's, the fixed ones, and more."""
        found = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        found.setdefault("LANG", "C.UTF-8")
        found.update(self.configuration["environment"])
        found.update(FIXED_VARIABLES)
        found["ACKREP_SHIMS"] = ",".join(self.configuration["shims"])
        found.update(more)
        return found

    def work_folders(self) -> Dict[str, str]:
        """The check's own places, fresh and its own."""
        work = os.path.join(self.work_root, "check")
        found = {name: os.path.join(work, name) for name in ("home", "tmp", "matplotlib")}
        os.mkdir(work, 0o755)
        for path in found.values():
            os.mkdir(path, 0o700)
        fonts = os.path.join(self.run_root, "matplotlib")
        for name in os.listdir(fonts):
            # For further processes, such as a notebook's kernel: making it takes seconds.
            if name.startswith("fontlist"):
                shutil.copy(os.path.join(fonts, name), found["matplotlib"])
                if self.uid is not None:
                    os.chown(os.path.join(found["matplotlib"], name), self.uid, self.uid)
        if self.uid is not None:
            for path in found.values():
                os.chown(path, self.uid, self.uid)
        return found

    def request(self, check: checking.Check, work: Dict[str, str]) -> Dict[str, Any]:
        """What the child is told."""
        data_root = self.data_root
        places = {"@runtime": self.site, "": data_root}
        import_path = [
            places.get(path, os.path.join(data_root, path)) for path in check.plan["import_path"]
        ]
        environment = self.environment(
            {
                "HOME": work["home"],
                "TMPDIR": work["tmp"],
                "MPLCONFIGDIR": work["matplotlib"],
                "IPYTHONDIR": os.path.join(work["home"], ".ipython"),
                "PYTHONPATH": os.pathsep.join(import_path),
                "ACKREP_CONTEXT": os.path.join(work["home"], ".ackrep_context.json"),
            }
        )
        environment.update(check.environment)
        return {
            "plan": check.plan,
            "limits": check.limits,
            "seed": check.seed,
            "uid": self.uid,
            "confinement": self.confinement,
            "data_root": data_root,
            "folder": os.path.join(data_root, check.plan["entity_path"]),
            "boot": self.boot,
            "runtime": self.site,
            "import_path": import_path,
            "environment": environment,
            "unavailable": self.configuration["unavailable"],
        }

    def opened(self, check: checking.Check) -> "tuple[List[str], List[str]]":
        """Which of the closure's files were read, and which were wanted but not there."""
        paths = (check.report or {}).get("opened")
        paths = [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []
        read, missing = [], []
        for path in paths[:5000]:
            if path in check.before:
                read.append(path)
                continue
            try:
                full = os.path.join(self.data_root, folders.safe_path(path))
                if not os.path.lexists(full):
                    missing.append(path)
            except (folders.LayoutError, ValueError, OSError):
                continue
        return read, missing[:200]

    def clean(self, killed: processes.Killed) -> Dict[str, Any]:
        """Empty all places; what was found there, and among the processes."""
        leftovers = list(killed.survivors)
        folders.empty(self.data_root, set(), leftovers)
        own = folders.empty(self.work_root, set(), leftovers)
        removed = 0
        for root, spared in self._spared.items():
            removed += folders.empty(root, spared, leftovers)
        return {
            "processes_killed": len(killed.names),
            "processes": sorted(killed.names.values())[:20],
            "files_removed": removed,
            "files_own": own,
            "leftovers": leftovers[:20],
            "ipc_objects": _ipc_objects() if self.configuration["isolated"] else 0,
        }


def _ipc_objects() -> int:
    """How many objects of System V IPC there are: they outlive processes."""
    count = 0
    for name in ("shm", "sem", "msg"):
        try:
            with open("/proc/sysvipc/" + name) as file:
                count += max(0, len(file.readlines()) - 1)
        except OSError:
            continue
    return count
