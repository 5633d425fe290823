"""Where a session's program finds itself: folders, variables, and how it is confined."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any, Dict, List, Optional

from ..harness import confinement, reach, surroundings, trial

SERVER = "/opt/workbench/bin/python"
"""Python of the image's JupyterLab, which is not the environment's."""
SHELL_FILES = ("/etc/bash.bashrc", "/etc/profile", "/etc/profile.d", "/etc/debian_chroot")
CLEAN = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")
RC = r"""# Written by ACKREP for this session.
PS1='\[\e[1;36m\](%s)\[\e[0m\] ${PWD#%s/}\$ '
alias ls='ls --color=auto' grep='grep --color=auto'
"""


class Places:
    """The places of one session.

    Args:
        configuration: the `config` frame.
        run_root: where the runtime was unpacked.
    """

    def __init__(self, configuration: Dict[str, Any], run_root: str) -> None:
        self.data: str = configuration["data_root"]
        self.work: str = configuration["work_root"]
        self.site = os.path.join(run_root, "site")
        self.home = os.path.join(self.work, "home")
        self.run = os.path.join(self.work, "run")
        self.socket = os.path.join(self.run, "server.sock")
        self._configuration = configuration
        for folder in (self.data, self.work):
            os.makedirs(folder, exist_ok=True)
        self._isolated = os.getpid() == 1
        description = {"data_root": self.data, "work_root": self.work, "clean": list(CLEAN)}
        self._reach = reach.reach(description, run_root, self._isolated)
        if self._isolated:
            # A shell wants its terminal, and what distributions say about shells.
            self._reach["devices"].append("/dev/tty")
            self._reach["readable"] += SHELL_FILES
        uid = int(configuration["uid"])
        self.trial = trial.best(
            confinement.possible((self.data, self.work, self.site, sys.prefix, sys.base_prefix)),
            self._reach,
            self._isolated,
            uid,
            run_root,
        )
        self.uid: Optional[int] = uid if confinement.has_own_user(self.trial.rung) else None
        for folder in (self.home, self.run, os.path.join(self.home, ".matplotlib")):
            os.mkdir(folder, 0o700)
            self._own(folder)

    def confined(self) -> confinement.Confinement:
        """What the program's process enters."""
        return confinement.Confinement(self.trial.rung, self._reach, self._isolated)

    def command(self, start: Dict[str, Any]) -> List[str]:
        """What is run."""
        if start["program"] == "jupyter":
            return self._jupyter(start)
        if start["command"]:
            return list(start["command"])
        name = self._configuration["environment"]
        self._write(os.path.join(self.home, ".bashrc"), RC % (name, self.data))
        return [_shell(), "-i"]

    def variables(self, start: Dict[str, Any]) -> Dict[str, str]:
        """As those of a check, and what a person at a terminal needs."""
        kept = surroundings.KEPT_VARIABLES
        found = {name: os.environ[name] for name in kept if name in os.environ}
        found.setdefault("LANG", "C.UTF-8")
        found.update(surroundings.FIXED_VARIABLES)
        import_path = [self.site, self.data]
        import_path[1:1] = [os.path.join(self.data, path) for path in start["import_path"]]
        name = self._configuration["environment"]
        found.update(
            ACKREP_SHIMS=",".join(self._configuration["shims"]),
            HOME=self.home,
            USER="ackrep",
            LOGNAME="ackrep",
            SHELL=_shell(),
            PS1="(%s) $ " % name,
            MPLCONFIGDIR=self._plot_folder(),
            IPYTHONDIR=os.path.join(self.home, ".ipython"),
            PYTHONPATH=os.pathsep.join(import_path),
        )
        if start["program"] == "jupyter":
            del found["MPLBACKEND"]  # so that plots appear in the notebook
            found.update(
                JUPYTER_TOKEN=start["secret"],
                JUPYTER_CONFIG_DIR=os.path.join(self.home, ".jupyter"),
                JUPYTER_DATA_DIR=os.path.join(self.home, ".local"),
                JUPYTER_RUNTIME_DIR=self.run,
                JUPYTER_PATH=os.path.join(self.work, "jupyter"),
            )
        found.update(start["variables"])
        return found

    def folder(self, start: Dict[str, Any]) -> str:
        """Where it starts."""
        if start["program"] == "jupyter":
            return self.run  # nothing that lies in the working copy configures the server
        return os.path.join(self.data, start["folder"])

    def _jupyter(self, start: Dict[str, Any]) -> List[str]:
        """JupyterLab, reached and reaching its kernels through sockets in the file system alone."""
        spec = os.path.join(self.work, "jupyter", "kernels", "python3")
        os.makedirs(spec)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        name = "%s (Python %s)" % (self._configuration["environment"], sys.version.split()[0])
        content = {"argv": argv, "display_name": name, "language": "python"}
        self._write(os.path.join(spec, "kernel.json"), json.dumps(content))
        return [
            *(SERVER, "-I", "-m", "jupyterlab", "--no-browser"),
            "--ServerApp.sock=" + self.socket,
            "--ServerApp.sock_mode=0600",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.root_dir=" + self.data,
            "--FileContentsManager.preferred_dir=" + os.path.join(self.data, start["folder"]),
            "--KernelManager.transport=ipc",
            "--KernelSpecManager.ensure_native_kernel=False",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
        ]

    def _plot_folder(self) -> str:
        """A folder with the image's list of fonts, which takes seconds to make."""
        folder = os.path.join(self.home, ".matplotlib")
        given = os.environ.get("MPLCONFIGDIR")
        if given and os.path.isdir(given):
            for name in os.listdir(given):
                if name.startswith("fontlist"):
                    shutil.copy(os.path.join(given, name), folder)
                    self._own(os.path.join(folder, name))
        return folder

    def _write(self, path: str, text: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self._own(path)

    def _own(self, path: str) -> None:
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)


def _shell() -> str:
    return "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
