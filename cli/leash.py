"""Runs a program that must not outlive its parent: `leash.py PROGRAM ARGUMENTS...`.

Started as a file with `python -I -S`, so it imports the standard library alone and is quick.
On Linux the kernel sends SIGKILL when the parent dies, and the program takes this process' place.
Elsewhere this process stays, watches its standard input, whose other end the parent holds, and
kills the program at its end.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Replaces this process by the program, or watches over it."""
    command = sys.argv[1:]
    if sys.platform == "linux":
        parent = int(os.environ.get("ACKREP_PARENT", "0"))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent and os.getppid() != parent:  # it died before the line above
            sys.exit(1)
        os.execv(command[0], command)  # noqa: S606  # an argument list, no shell
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.terminate())

    def watch() -> None:
        while os.read(0, 4096):
            pass
        child.kill()

    threading.Thread(target=watch, daemon=True).start()
    sys.exit(child.wait())


if __name__ == "__main__":
    main()
