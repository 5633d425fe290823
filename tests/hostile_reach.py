"""Attacks on others, and by what is handed out; see `tests/hostile_entities.py`."""

from typing import Final

from tests.hostile_greed import Hostile

REACH: Final = (
    # Reaching others.
    Hostile(
        "signals to the harness",
        """
        for pid in (1, os.getppid()):
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, 0):
                denied(os.kill, pid, number)
        denied(os.killpg, os.getpgid(os.getppid()), signal.SIGKILL)
        denied(os.setuid, 0)
        denied(os.nice, -5)
        os.kill(-1, signal.SIGKILL)  # to all, and none that it reaches
        """,
        replaced=False,
    ),
    Hostile(
        "tracing the harness",
        """
        for pid in (1, os.getppid()):
            for request in (16, 0x4206):
                assert libc.ptrace(request, pid, 0, 0) == -1
        assert libc.ptrace(0, 0, 0, 0) == -1
        for number in (310, 311, 438, 312): call(number, 1, 0, 0, 0, 0, 0)
        """,
    ),
    Hostile(
        "the harness in /proc",
        """
        for pid in (1, os.getppid()):
            for name in ("environ", "mem", "maps", "auxv", "syscall"):
                denied(lambda p: open(p, "rb").read(1), f"/proc/{pid}/{name}")
            for name in ("fd", "root", "cwd", "task/1/fd"):
                denied(os.listdir, f"/proc/{pid}/{name}")
        for name in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/self/mem",
                     "/proc/1/oom_score_adj", "/proc/self/oom_score_adj",
                     "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/cgroup.procs"):
            denied(open, name, "r+b")
        for name in ("/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/etc/shadow",
                     "/sys/firmware/dmi", "/run/ackrep/zygote.log"):
            denied(lambda p: open(p, "rb").read(1), name)
        """,
    ),
    Hostile(
        "secrets in the environment",
        """
        for name, value in os.environ.items():
            assert "TOKEN" not in name and "SECRET" not in name and "DOCKER" not in name, name
            print(name, value)
        """,
    ),
    Hostile("the network", "socket.create_connection(('192.0.2.1', 80), 1)", "SCRIPT_ERROR"),
    Hostile(
        "every kind of socket",
        """
        for family in (2, 10, 16, 17, 29, 38, 40, 44):
            for kind in (1, 2, 3): denied(socket.socket, family, kind)
        """,
    ),
    Hostile(
        "sockets that wait for others",
        """
        kept = []
        for name in ("\\0" + MARK, f"/tmp/{MARK}.sock", f"/dev/shm/{MARK}.sock"):
            kept.append(socket.socket(socket.AF_UNIX)); kept[-1].bind(name); kept[-1].listen()
        def serve():
            server = socket.socket(); server.bind(("0.0.0.0", PORT)); server.listen()
        denied(serve)
        if os.fork() == 0: time.sleep(600)
        """,
        left="processes_killed",
        replaced=True,
    ),
    Hostile(
        "calls into the kernel",
        """
        for number in (425, 321, 298, 323, 250, 248, 272, 308, 165, 166, 155, 161, 428, 430, 246,
                       175, 313, 169, 304, 172, 103, 435):
            call(number, 0x10000000, 0, 0, 0, 0, 0)
        call(0x40000000 | 39)
        call(56, 0x10000000 | 17, 0, 0, 0, 0)
        """,
    ),
    Hostile(
        "more than its limits",
        """
        import resource
        for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
            soft, hard = resource.getrlimit(which)
            assert hard != resource.RLIM_INFINITY
            denied(resource.setrlimit, which, (hard + 1, hard + 1))
        denied(resource.prlimit, 1, resource.RLIMIT_NOFILE, (0, 0))
        """,
    ),
    Hostile(
        "the clock",
        """
        denied(time.clock_settime, time.CLOCK_REALTIME, 0.0)
        call(164, 0, 0)
        """,
    ),
    # What it hands out.
    Hostile(
        "links and devices as results",
        """
        os.symlink("/etc/passwd", "passwd.png"); os.symlink("/", "root"); os.symlink("..", "up")
        os.symlink("/proc/1/environ", "environ.txt"); os.mkfifo("pipe.png")
        open("own", "w").write("x"); os.link("own", "hard.png")
        denied(os.mknod, "disk.png", 0o60600, os.makedev(8, 0))
        denied(os.mknod, "null.png", 0o20600, os.makedev(1, 3))
        """,
    ),
    Hostile(
        "names that lead elsewhere",
        """
        for name in ("..\\\\..\\\\x", "a\\nb", "\\x1b[31mred", "%2e%2e%2f", "-rf", "\\u202e",
                     "x" * 250):
            open(name, "w").write("x")
        open(b"caf\\xe9", "w").write("x")
        os.makedirs("... /.. /x"); open("... /.. /x/y", "w").write("x")
        """,
    ),
    Hostile("output that is no text", "os.write(1, bytes(range(256)) * 100)"),
    Hostile("escape sequences", "print('\\x1b[2J\\x1b]0;owned\\x07\\x1b[1;1H' * 1000)"),
    Hostile(
        "a long output",
        "for n in range(20_000): print(n)",
    ),
    Hostile("an exit that looks well", "os._exit(0)", "SCRIPT_ERROR", "before there was a result"),
    Hostile("an exit by exception", "sys.exit(0)", "SCRIPT_ERROR", "before there was a result"),
    Hostile(
        "nonsense where its result belongs",
        """
        for handle in range(3, 50):
            try: os.write(handle, b"\\xff" * 100_000)
            except OSError: pass
        os._exit(0)
        """,
        "SCRIPT_ERROR",
    ),
    Hostile(
        "a result of its own making",
        """
        import json, struct
        text = json.dumps({"type": "report", "kind": "done", "success": True,
                           "warnings": ["x" * 1000] * 10_000}).encode()
        os.write(4, struct.pack(">II", len(text), 0))
        for start in range(0, len(text), 4096): os.write(4, text[start:start + 4096])
        os._exit(0)
        """,
        "SCRIPT_ERROR",
        "cannot be read",
    ),
    Hostile(
        "a description of its own making",
        """
        import json, struct
        rows = [{"cells": ["x" * 1000] * 40, "name": "", "value": None}] * 500
        told = {"states": [], "inputs": [], "equations": [], "columns": [], "parameters": rows}
        text = json.dumps({"type": "report", "kind": "done", "success": True,
                           "description": told}).encode()
        os.write(4, struct.pack(">II", len(text), 0))
        for start in range(0, len(text), 4096): os.write(4, text[start:start + 4096])
        os._exit(0)
        """,
        "SCRIPT_ERROR",
        "cannot be read",
    ),
    Hostile(
        "numbers of its own making",
        """
        import json, struct
        told = {"name": "x", "dtype": "text", "shape": [], "data": ["x" * 20_000_000]}
        text = json.dumps({"type": "report", "kind": "done", "success": True,
                           "numbers": [told]}).encode()
        os.write(4, struct.pack(">II", len(text), 0))
        for start in range(0, len(text), 4096): os.write(4, text[start:start + 4096])
        os._exit(0)
        """,
        "SCRIPT_ERROR",
        "cannot be read",
    ),
    Hostile(
        "closed streams",
        "os.closerange(0, 1000)",
        "SCRIPT_ERROR",
        "before there was a result",
    ),
    Hostile(
        "recursion",
        """
        def deeper(): return deeper() + 1
        deeper()
        """,
        "SCRIPT_ERROR",
        "RecursionError",
    ),
    Hostile(
        "recursion without a limit",
        """
        sys.setrecursionlimit(2**31 - 1); threading.stack_size(0)
        def deeper(_): return sorted([1], key=deeper)
        deeper(1)
        """,
        "SCRIPT_ERROR",
        "SIGSEGV",
    ),
    Hostile(
        "a result that cannot be read",
        """
        class Liar:
            def __getattr__(self, name): raise ValueError(name)
            def __reduce__(self): raise TypeError
            def __float__(self): raise OSError
        return ResultContainer(success=True, score=Liar(), lock=threading.Lock(), liar=Liar(),
                               final_state_errors=[Liar(), object()])
        """,
    ),
    Hostile(
        "numbers that are none",
        """
        nan = float("nan")
        return ResultContainer(success=True, score=nan, final_state_errors=[nan, float("inf")],
                               huge=10**400, z=complex(nan, nan))
        """,
    ),
    Hostile(
        "without its tree",
        """
        import shutil
        shutil.rmtree("/check/data", ignore_errors=True); shutil.rmtree("/tmp", ignore_errors=True)
        shutil.rmtree(os.environ["HOME"], ignore_errors=True)
        """,
    ),
    Hostile(
        "what cannot be removed",
        """
        os.makedirs("a/b"); open("a/b/c", "w").write("x")
        os.chmod("a/b/c", 0); os.chmod("a/b", 0); os.chmod("a", 0); os.chmod(".", 0)
        """,
    ),
)
