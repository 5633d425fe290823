"""Facts about the environment, as seen from inside. The runner decides which of them are fatal."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from . import groups, landlock

if TYPE_CHECKING:
    from . import trial

CAPABILITIES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable "
    "net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio "
    "sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time "
    "sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog "
    "wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
).split()
"""Names by bit, as in linux/capability.h."""
SIOCGIFFLAGS = 0x8913
IFF_UP = 1


def facts(tried: trial.Trial) -> Dict[str, Any]:
    """All of them, with what came of the trial of confinement."""
    status = _status()
    return {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "capabilities": capabilities(),
        "no_new_privs": _flag(status, "NoNewPrivs"),
        "seccomp": _flag(status, "Seccomp"),
        "root_writable": _writable("/"),
        "interfaces": interfaces(),
        "egress": egress(),
        "landlock": landlock.abi(),
        "memory_limit": groups.limit("memory"),
        "processes_limit": groups.limit("pids"),
        "refused_rungs": tried.refused,
        "limits": tried.limits,
    }


def packages() -> Dict[str, str]:
    """What is installed, by name."""
    from importlib import metadata

    found = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found[name] = distribution.version
    return dict(sorted(found.items()))


def capabilities() -> Optional[List[str]]:
    """The effective capabilities of this process, or None where there is no such thing."""
    text = _status().get("CapEff")
    if text is None:
        return None
    bits = int(text, 16)
    names = [name for number, name in enumerate(CAPABILITIES) if bits >> number & 1]
    if bits >> len(CAPABILITIES):
        names.append("unknown")
    return names


def interfaces() -> List[str]:
    """Network interfaces that are up, without the loopback."""
    found = []
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            import fcntl

            for _, name in socket.if_nameindex():
                request = struct.pack("16sH14s", name.encode()[:15], 0, b"")
                flags = struct.unpack("16sH14s", fcntl.ioctl(probe, SIOCGIFFLAGS, request))[1]
                if flags & IFF_UP and name != "lo":
                    found.append(name)
    except (OSError, ImportError):
        return found
    return found


def egress() -> List[str]:
    """Which of some foreign addresses there is a way to: nothing is sent, only the way looked up.

    The addresses are those set aside for documentation.
    """
    found = []
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
        except OSError:
            continue
        found.append(address)
    return found


def _status() -> Dict[str, str]:
    try:
        with open("/proc/self/status") as file:
            pairs = (line.split(":", 1) for line in file if ":" in line)
            return {key: value.strip() for key, value in pairs}
    except OSError:
        return {}


def _flag(status: Dict[str, str], name: str) -> Optional[bool]:
    return None if name not in status else status[name] != "0"


def _writable(path: str) -> bool:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return False
    return os.access(path, os.W_OK)
