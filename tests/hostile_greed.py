"""Attacks by taking too much, by not ending, and by staying on; see `tests/hostile_entities.py`."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Hostile:
    """One attack and what is to come of it."""

    name: str
    body: str
    verdict: str = "SUCCESS"
    """`SUCCESS` where what it tries is refused, as it asserts itself, or harms nobody."""
    says: str = ""
    """In the message of the result."""
    left: str = ""
    """Field of the cleanliness record that must not be empty."""
    replaced: bool | None = None
    """Whether its container must be replaced; None: either."""
    environment: str = "BARE1"


GREED: Final = (
    # Too much of something.
    Hostile("fork bomb", "while True: os.fork()", "LIMIT_EXCEEDED", "processes"),
    Hostile(
        "fork bomb that goes on",
        """
        while True:
            try: os.fork()
            except OSError: pass
        """,
        "TIMED_OUT",
        replaced=True,
    ),
    Hostile(
        "threads without end",
        "while True: threading.Thread(target=time.sleep, args=(60,)).start()",
        "LIMIT_EXCEEDED",
        "processes",
    ),
    Hostile(
        "memory",
        "kept = [bytearray(2**24) for _ in iter(int, 1)]",
        "LIMIT_EXCEEDED",
        "memory",
        "oom_kills",
        replaced=True,
    ),
    Hostile(
        "memory of a child",
        """
        if os.fork() == 0: kept = [bytearray(2**24) for _ in iter(int, 1)]
        raise ValueError(os.wait())
        """,
        "LIMIT_EXCEEDED",
        "memory",
        "oom_kills",
        replaced=True,
    ),
    Hostile(
        "disk",
        "for n in range(10**6): open(f'{n}', 'wb').write(bytes(2**22))",
        "LIMIT_EXCEEDED",
        "disk space",
        replaced=False,
    ),
    Hostile(
        "disk elsewhere",
        "for n in range(10**6): open(f'/tmp/{MARK}{n}', 'wb').write(bytes(2**22))",
        "LIMIT_EXCEEDED",
        "disk space",
        "files_shared",
    ),
    Hostile(
        "shared memory as a disk",
        "for n in range(10**6): open(f'/dev/shm/{MARK}{n}', 'wb').write(bytes(2**22))",
        "LIMIT_EXCEEDED",
        "disk space",
        "files_shared",
    ),
    Hostile(
        "one large file",
        "open('large', 'wb').write(bytes(2**25))",
        "LIMIT_EXCEEDED",
        "the size of a file",
    ),
    Hostile(
        "100,000 files",
        """
        for n in range(100): os.mkdir(str(n))
        for n in range(100_000): os.close(os.open(f"{n % 100}/{n}", os.O_CREAT | os.O_WRONLY))
        """,
        "LIMIT_EXCEEDED",
        "the number of files left",
    ),
    Hostile(
        "open files",
        "kept = [open('/dev/null') for _ in iter(int, 1)]",
        "LIMIT_EXCEEDED",
        "open files",
    ),
    Hostile("log flood", "while True: print('x' * 9999)", "LIMIT_EXCEEDED", "output"),
    Hostile(
        "log flood past Python",
        "while True: os.write(1, b'x' * 65536), os.write(2, b'y' * 65536)",
        "LIMIT_EXCEEDED",
        "output",
    ),
    Hostile(
        "folders in folders",
        """
        for _ in range(1500):
            os.mkdir("d"); os.chdir("d")
        open("end", "w").close()
        """,
    ),
    Hostile(
        "a huge plot",
        """
        import matplotlib.pyplot as plt
        plt.figure(figsize=(600, 600)); plt.plot([0, 1]); plt.savefig("huge.png", dpi=100)
        """,
        "LIMIT_EXCEEDED",
        "memory",
        environment="DEMO1",
    ),
    # Not ending.
    Hostile(
        "a loop that ignores every signal",
        """
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass
        """,
        "TIMED_OUT",
    ),
    Hostile(
        "sleeping where signals do not reach",
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True: time.sleep(60)
        """,
        "TIMED_OUT",
        "not finished after",
    ),
    Hostile("stopping itself", "os.kill(os.getpid(), signal.SIGSTOP)", "TIMED_OUT"),
    Hostile(
        "becoming another program",
        "os.execv('/bin/sleep', ['sleep', '600'])",
        "TIMED_OUT",
        "not finished after",
    ),
    Hostile(
        "processor time of many processes",
        """
        for _ in range(8):
            if os.fork() == 0:
                while True: pass
        time.sleep(60)
        """,
        "TIMED_OUT",
        left="processes_killed",
        replaced=True,
    ),
    Hostile(
        "threads that never end",
        """
        def loop():
            while True: pass
        for _ in range(4): threading.Thread(target=loop).start()
        """,
    ),
    Hostile(
        "an end that never ends",
        """
        import atexit
        atexit.register(time.sleep, 600)
        threading._register_atexit(time.sleep, 600)
        """,
    ),
    # Staying on.
    Hostile(
        "a daemon that holds our pipe",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep(600)
            os._exit(0)
        os.wait()
        """,
        left="processes_killed",
        replaced=True,
    ),
    Hostile(
        "a child beside itself",
        "call(56, 0x8000 | 17, 0, 0, 0, 0)  # a clone whose parent is the zygote",
    ),
    Hostile(
        "files in every place that can be written to",
        """
        import tempfile
        places = (
            "/ /tmp /var/tmp /dev /dev/shm /dev/mqueue /run /run/ackrep /run/ackrep/site /run/lock"
            " /check /check/data /check/work /etc /home /root /usr /opt"
        ).split()
        for top in [*places, os.environ["HOME"], tempfile.gettempdir()]:
            try: open(f"{top}/{MARK}", "w").write("x")
            except OSError: continue
            print(top)
        """,
        left="files_shared",
        replaced=False,
    ),
    Hostile(
        "memory that outlives processes",
        """
        assert libc.shmget(0x6B, 4096, 0o1600) >= 0
        """,
        left="ipc_objects",
        replaced=True,
    ),
    Hostile(
        "code for the next one",
        """
        import site
        places = [os.environ["HOME"], "/check/data", os.getcwd(), site.getusersitepackages(),
                  "/run/ackrep/site", *sys.path]
        for place in places:
            for name in ("sitecustomize.py", "usercustomize.py", "ackrep_core.py", "x.pth"):
                try:
                    os.makedirs(place, exist_ok=True)
                    open(f"{place}/{name}", "w").write("import os; os._exit(1)")
                except OSError: pass
        """,
    ),
    Hostile(
        "import hooks and patched libraries",
        """
        import builtins, json
        class Hook:
            def find_spec(self, *_): raise SystemExit("no import for you")
        sys.meta_path.insert(0, Hook())
        builtins.print = builtins.len = builtins.isinstance = None
        json.loads = json.dumps = json.JSONEncoder = None
        os.write = os.getpid = lambda *_: 0
        """,
        "SCRIPT_ERROR",
    ),
)
