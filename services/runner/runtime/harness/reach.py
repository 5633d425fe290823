"""What a check may reach of the file system, where Landlock confines it."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List

SYSTEM = (
    "/usr /bin /sbin /lib /lib32 /lib64 /libx32 /opt /nix/store /gnu/store"
    " /var/cache/fontconfig /var/lib/texmf /var/lib/ghostscript"
    " /proc /sys/devices/system /sys/fs/cgroup"
).split()
"""Programs, libraries, and what the kernel says of the machine. Not: homes, mounts, /run, /var."""
CONFIGURATION = (
    "alternatives ca-certificates crypto-policies fonts gai.conf group host.conf hosts inputrc"
    " ipython jupyter ld.so.cache ld.so.conf ld.so.conf.d ld.so.preload locale.alias localtime"
    " machine-id magic matplotlibrc mime.types nsswitch.conf OpenCL os-release papersize passwd pki"
    " protocols python3 resolv.conf services shells ssl terminfo texmf timezone X11 xdg"
).split()
"""Below /etc; what else lies there is nobody's business, shadow passwords among it."""
READ_ONLY_DEVICES = ("/dev/random", "/dev/urandom")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
TERMINALS = ("/dev/ptmx", "/dev/pts")
"""Only of a container, where nobody else has one."""
SHARED_MEMORY = "/dev/shm"
"""Without it there are no locks and no shared memory of `multiprocessing`."""


def reach(configuration: Dict[str, Any], run_root: str, isolated: bool) -> Dict[str, List[str]]:
    """Paths by what may be done there: `readable`, `writable`, `devices`.

    Args:
        configuration: the `config` frame.
        run_root: where the runtime was unpacked.
        isolated: whether the shared places are this environment's own, emptied after each check.
    """
    own = [os.path.join(run_root, name) for name in ("boot", "site", "matplotlib")]
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix]
    python += [path for path in sys.path if os.path.isabs(path)]
    libraries = [
        path for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path[:1] == "/"
    ]
    readable = [*SYSTEM, *("/etc/" + name for name in CONFIGURATION), *READ_ONLY_DEVICES]
    writable = [configuration["data_root"], configuration["work_root"], SHARED_MEMORY]
    devices = list(DEVICES)
    if isolated:
        writable += configuration["clean"]
        devices += TERMINALS
    return {
        "readable": _unique([*readable, *own, *python, *libraries]),
        "writable": _unique(writable),
        "devices": devices,
    }


def _unique(paths: List[str]) -> List[str]:
    """Each once, and the root of everything never."""
    return [path for path in dict.fromkeys(map(os.path.realpath, paths)) if path != "/"]
