"""Landlock: what a process may reach in the file system, of TCP, and of other processes.

A ruleset is made once, by the zygote, and entered by each check's process: then nobody in it, nor
anybody whom it starts, ever gets more. Needs no privilege. What a kernel does not know (its ABI
says so) is left out; `ABI_COMPLETE` is the first that knows all that is asked for here.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from typing import Iterable, Optional

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls; the same on every architecture."""
ASK_VERSION = 1
PATH_BENEATH = 1
ABI_COMPLETE = 6

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
(
    REMOVE_DIR,
    REMOVE_FILE,
    MAKE_CHAR,
    MAKE_DIR,
    MAKE_REG,
    MAKE_SOCK,
    MAKE_FIFO,
    MAKE_BLOCK,
    MAKE_SYM,
) = (1 << bit for bit in range(4, 13))
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(13, 16))
NETWORK = 0b11
"""To bind and to connect a TCP socket: asked for, and granted nowhere."""
SCOPES = 0b11
"""Abstract sockets and signals: only of processes that are confined alike, which are the check's."""

HANDLED = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
"""Rights to the file system by the first ABI that knows them."""
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ
    | WRITE_FILE
    | TRUNCATE
    | REFER
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
)
"""No devices: those are made by nobody."""
DEVICE = READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a rule on something that is no folder may name."""
LOG_OFF = 0b101
"""From ABI 7: what is refused does not fill the host's audit log."""


def abi() -> int:
    """Which version of Landlock the kernel has; 0 without it."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION)))


def ruleset(
    readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], version: int
) -> int:
    """A handle of a new set of rules; whatever is not named is out of reach. Raises OSError.

    Args:
        readable: folders and files to read and to run programs from, with all below them.
        writable: folders in which everything but devices may be made, too.
        devices: to read, write and control.
        version: what `abi` said.
    """
    handled = sum(rights for first, rights in HANDLED.items() if first <= version)
    fields = [handled]
    if version >= 4:
        fields.append(NETWORK)
    if version >= ABI_COMPLETE:
        fields.append(SCOPES)
    attributes = struct.pack("=%dQ" % len(fields), *fields)
    handle = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if handle < 0:
        raise OSError(ctypes.get_errno(), "no Landlock ruleset")
    try:
        for paths, rights in ((readable, READ), (writable, WRITE), (devices, DEVICE)):
            for path in paths:
                _allow(handle, path, rights & handled)
    except BaseException:
        os.close(handle)
        raise
    return handle


def enter(handle: int, version: int) -> None:
    """Confine this process by the rules, for good. Raises OSError. Needs no_new_privs."""
    flags = LOG_OFF if version >= 7 else 0
    if _call(RESTRICT_SELF, ctypes.c_int(handle), ctypes.c_uint32(flags)) < 0:
        raise OSError(ctypes.get_errno(), "Landlock refuses")


def _allow(ruleset_handle: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # Not here: then there is nothing to reach either.
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= OF_FILES
        rule = struct.pack("=Qi", rights, handle)
        arguments = (ctypes.c_int(ruleset_handle), ctypes.c_int(PATH_BENEATH), rule)
        if _call(ADD_RULE, *arguments, ctypes.c_uint32(0)) < 0:
            raise OSError(ctypes.get_errno(), "no Landlock rule for " + path)
    finally:
        os.close(handle)


_library: Optional[ctypes.CDLL] = None


def _call(number: int, *arguments: object) -> int:
    global _library
    if _library is None:
        _library = ctypes.CDLL(None, use_errno=True)
        _library.syscall.restype = ctypes.c_long
    return int(_library.syscall(ctypes.c_long(number), *arguments))
