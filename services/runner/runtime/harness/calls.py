"""A filter of system calls (seccomp-BPF): what no check needs and attacks on a kernel begin with.

It comes on top of the engine's own profile and does not rely on it. Everything it does not name is
left to that. Refused calls fail with EPERM, as without the right to them; `clone3`, whose arguments
a filter cannot see, with ENOSYS, so that libraries take `clone`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Dict, List, NamedTuple, Optional, Tuple

from . import processes

PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
"""What a filter returns; an error number is added to `ERROR`."""
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions: load a word, jump if equal, if at least, if a bit is set, return."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; its arguments are eight bytes each, the low word first."""

X32_BIT = 0x40000000
"""Calls of the x32 ABI, which no environment uses: the same kernel by other numbers."""
CLONE_PARENT = 0x00008000
"""A child of the zygote would be taken for ours."""
NAMESPACES = 0x7E020000
"""Every CLONE_NEW… flag that `clone` knows."""
LOCAL, NETLINK = 1, 16
"""Families of sockets: AF_UNIX, AF_NETLINK."""
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""To type into a terminal."""


class Architecture(NamedTuple):
    """How one architecture spells what the filter speaks of."""

    audit: int
    """AUDIT_ARCH_…: calls of any other one end the process."""
    column: int
    """In `REFUSED` and `LOOKED_AT`."""


ARCHITECTURES: Dict[str, Architecture] = {
    "x86_64": Architecture(0xC000003E, 0),
    "aarch64": Architecture(0xC00000B7, 1),
}

REFUSED: Dict[str, Tuple[Optional[int], Optional[int]]] = {
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # Large and young parts of the kernel.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "lookup_dcookie": (212, 18),
    # Keys: not in a namespace.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Namespaces, mounts, roots.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # The machine.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "nfsservctl": (180, 42),
}
"""Numbers by architecture. From linux/unistd.h; a test compares them with this machine's."""

LOOKED_AT: Dict[str, Tuple[int, int]] = {
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
}
"""Calls of which only some are refused, or in another way."""

Instruction = Tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""


def program(machine: str) -> List[Instruction]:
    """The filter for one architecture. Raises KeyError for an unknown one."""
    architecture = ARCHITECTURES[machine]
    refuse = (RETURN, 0, 0, ERROR | errno.EPERM)
    allow = (RETURN, 0, 0, ALLOW)
    found: List[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture.audit),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        found += [(AT_LEAST, 0, 1, X32_BIT), refuse]
    for numbers in REFUSED.values():
        number = numbers[architecture.column]
        if number is not None:
            found += [(EQUAL, 0, 1, number), refuse]

    def look(name: str, argument: int, *tests: Instruction) -> None:
        """For this call alone: load an argument's low word, test it, allow what came through."""
        block = [(LOAD, 0, 0, ARGUMENTS + 8 * argument), *tests, allow]
        found.append((EQUAL, 0, len(block), LOOKED_AT[name][architecture.column]))
        found.extend(block)

    # Of the network's interfaces ZeroMQ asks first, and aborts for most errors, but not for this.
    unsupported = (RETURN, 0, 0, ERROR | errno.EOPNOTSUPP)
    look("socket", 0, (EQUAL, 3, 0, LOCAL), (EQUAL, 1, 0, NETLINK), refuse, unsupported)
    look("socketpair", 0, (EQUAL, 1, 0, LOCAL), refuse)
    look("clone", 0, (ANY_BIT, 0, 1, NAMESPACES | CLONE_PARENT), refuse)
    look("ioctl", 1, (EQUAL, 1, 0, TIOCSTI), (EQUAL, 0, 1, TIOCLINUX), refuse)
    look("prlimit64", 0, (EQUAL, 1, 0, 0), refuse)
    clone3 = LOOKED_AT["clone3"][architecture.column]
    found += [(EQUAL, 0, 1, clone3), (RETURN, 0, 0, ERROR | errno.ENOSYS), allow]
    return found


def available() -> bool:
    """Whether there is a filter for this machine."""
    # A 32-bit process of a 64-bit kernel has the other architecture's numbers.
    return (
        processes.LINUX
        and platform.machine() in ARCHITECTURES
        and struct.calcsize("P") == 8
        and os.path.exists("/proc/sys/kernel/seccomp")
    )


def enter() -> None:
    """Filter the calls of this process and its children, for good. Raises OSError."""
    instructions = program(platform.machine())
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(instructions), ctypes.addressof(buffer)), struct.calcsize("@HP")
    )
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (
        ctypes.c_ulong(MODE_FILTER),
        ctypes.c_void_p(ctypes.addressof(header)),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    if library.prctl(PR_SET_SECCOMP, *arguments) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")
