"""The process that holds the graphs: `python -P -m services.catalog.ontology.worker`.

It reads frames from standard input and answers on standard output (`frames`). One graph per
revision is kept, the two used last. Each query runs in a fork of its own, which shares the graph
and can be killed without loss: for its time, for its memory, or because nobody waits for the
answer. Forking is safe here: there is one thread, and nothing but graphs.

A query can reach nothing: no network and no files, as its process may open no further descriptor.
At the end of standard input, which is the end of the catalog, everything ends.
"""

import contextlib
import ctypes
import math
import os
import resource
import selectors
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pyoxigraph

from services.catalog.domain.ontology.triples import (
    RDFS,
    XSD,
    Tagged,
    Vocabulary,
    entity_triples,
    prefixes_of,
)
from services.catalog.ontology.errors import syntax_error
from services.catalog.ontology.frames import FrameReader, encoded

MAX_GRAPHS: Final = 2
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""Rows of an answer; further ones are left out as if the row limit were reached."""
_REAP_SECONDS: Final = 0.05
_LABEL: Final = pyoxigraph.NamedNode(f"{RDFS}label")
_STRING: Final = pyoxigraph.NamedNode(f"{XSD}string")

_C: Final = ctypes.CDLL(None)

Json: TypeAlias = dict[str, Any]


@dataclass(kw_only=True)
class Graph:
    """The triples of one revision."""

    vocabulary: Vocabulary
    store: pyoxigraph.Store = field(default_factory=pyoxigraph.Store)
    ready: bool = False

    def add(self, triples: str) -> None:
        """Adds lines of N-Triples."""
        self.store.bulk_load(
            input=triples.encode("utf-8", "replace"),
            format=pyoxigraph.RdfFormat.N_TRIPLES,
            lenient=True,  # IRIs of an ontology are as its author wrote them
        )


@dataclass(kw_only=True)
class Fork:
    """A process with a graph: it waits for its one query, and answers it."""

    pid: int
    questions: int
    """Descriptor to write its query to."""
    answers: int
    """Descriptor to read its answer from."""
    id: int = 0
    """Number of the query; 0 until it has one."""
    deadline: float = math.inf
    frames: FrameReader = field(default_factory=FrameReader)


class Worker:
    """The loop: frames in, forks out."""

    def __init__(self) -> None:
        self.graphs: dict[str, Graph] = {}
        self.running: dict[int, Fork] = {}
        """Those that have a query, by descriptor of their answers."""
        self.spares: dict[str, Fork] = {}
        """One for each graph, forked ahead: with many triples that takes longer than the query."""
        self.ended: list[int] = []
        """Killed processes to take leave of; with many triples they need a while to be gone."""
        self.selector = selectors.DefaultSelector()
        self.frames = FrameReader()

    def run(self) -> None:
        """Serves until standard input ends."""
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ)
        try:
            self.loop()
        finally:
            for fork in (*self.running.values(), *self.spares.values()):
                os.kill(fork.pid, signal.SIGKILL)

    def loop(self) -> None:
        """Serves until standard input ends."""
        while True:
            now = time.monotonic()
            for fork in list(self.running.values()):
                if fork.deadline <= now:
                    self.end(fork, {"error": "time"})
            self.ended = [pid for pid in self.ended if os.waitpid(pid, os.WNOHANG)[0] == 0]
            wait = min((fork.deadline for fork in self.running.values()), default=math.inf)
            if self.ended:
                wait = min(wait, time.monotonic() + _REAP_SECONDS)
            timeout = None if wait == math.inf else max(wait - time.monotonic(), 0)
            events = self.selector.select(timeout)
            for key, _ in events:
                if key.fd == 0:
                    if not self.read_input():
                        return
                elif key.fd in self.running:
                    self.read_answer(self.running[key.fd])
            if not self.running:
                self.fork_spares()

    def read_input(self) -> bool:
        """Takes what is there; False at the end."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(0, 1 << 20)
            if not data:
                return False
            for frame in self.frames.feed(data):
                self.take(frame)
        return True

    def take(self, frame: Json) -> None:
        """Does what one frame asks for."""
        tree = frame.get("tree", "")
        match frame["do"]:
            case "begin":
                self.drop(tree)
                while len(self.graphs) >= MAX_GRAPHS:
                    self.drop(next(iter(self.graphs)))
                self.graphs[tree] = Graph(vocabulary=Vocabulary(**frame["vocabulary"]))
                self.graphs[tree].add(frame["triples"])
            case "add":
                graph = self.graphs.get(tree)
                if graph is not None:
                    entities = (Tagged(*row) for row in frame["entities"])
                    graph.add(entity_triples(entities, graph.vocabulary))
            case "ready":
                graph = self.graphs.get(tree)
                if graph is not None:
                    graph.ready = True
                self.say({"id": frame["id"], "triples": len(graph.store) if graph else 0})
            case "query":
                self.start(frame)
            case "cancel":
                for fork in list(self.running.values()):
                    if fork.id == frame["id"]:
                        self.end(fork, {"error": "cancelled"})

    def drop(self, tree: str) -> None:
        """Gives up a graph; queries that run on it have it still."""
        self.graphs.pop(tree, None)
        spare = self.spares.pop(tree, None)
        if spare is not None:
            self.close(spare)

    # Forks

    def fork_spares(self) -> None:
        """Forks ahead for the next queries, while there is nothing else to do."""
        for tree, graph in self.graphs.items():
            if graph.ready and tree not in self.spares:
                self.spares[tree] = self.fork(graph)

    def fork(self, graph: Graph) -> Fork:
        """Starts a process with a graph."""
        question, questions = os.pipe()
        answers, answer = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _serve(graph, question=question, answer=answer, parent=parent)
        os.close(question)
        os.close(answer)
        os.set_blocking(answers, False)
        return Fork(pid=pid, questions=questions, answers=answers)

    def start(self, frame: Json) -> None:
        """Gives a query to a process of its own."""
        tree = frame["tree"]
        graph = self.graphs.get(tree)
        if graph is None or not graph.ready:
            self.say({"id": frame["id"], "error": "unknown"})
            return
        self.graphs[tree] = self.graphs.pop(tree)  # used last
        fork = self.spares.pop(tree, None) or self.fork(graph)
        fork.id = frame["id"]
        fork.deadline = time.monotonic() + frame["seconds"]
        self.running[fork.answers] = fork
        self.selector.register(fork.answers, selectors.EVENT_READ)
        # A query is shorter than a pipe holds, so that this never waits.
        with contextlib.suppress(BrokenPipeError):  # its end is seen as that of the answer
            os.write(fork.questions, encoded(frame))

    def read_answer(self, fork: Fork) -> None:
        """Takes a piece of an answer; sends it when it is whole, or says why there is none."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(fork.answers, 1 << 20)
            if not data:
                self.end(fork, None)
                return
            for answer in fork.frames.feed(data):
                self.end(fork, answer)

    def end(self, fork: Fork, answer: Json | None) -> None:
        """Ends a process, with an answer to its query; without one, it ended by itself."""
        self.selector.unregister(fork.answers)
        del self.running[fork.answers]
        if answer is not None:
            self.say({**answer, "id": fork.id})
            self.close(fork)
            return
        os.close(fork.questions)
        os.close(fork.answers)
        status = os.waitpid(fork.pid, 0)[1]
        # Oxigraph ends its process where no memory is left.
        overdue = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        self.say({"error": "time" if overdue else "memory", "id": fork.id})

    def close(self, fork: Fork) -> None:
        """Kills a process."""
        os.kill(fork.pid, signal.SIGKILL)
        os.close(fork.questions)
        os.close(fork.answers)
        self.ended.append(fork.pid)

    def say(self, frame: Json) -> None:
        """Sends a frame; the reader takes all of it at once, so that waiting for it is fine."""
        _write(1, encoded(frame))


def _write(descriptor: int, content: bytes) -> None:
    data = memoryview(content)
    while data:
        data = data[os.write(descriptor, data) :]


# In a fork --------------------------------------------------------------------------------


def _serve(graph: Graph, *, question: int, answer: int, parent: int) -> None:
    """Waits for the one query and answers it; never returns."""
    code = 1
    try:
        _end_with(parent)
        for descriptor in range(max(question, answer) + 256):
            if descriptor not in (question, answer):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        frames = FrameReader()
        while data := os.read(question, 1 << 16):
            for frame in frames.feed(data):
                _confine(frame["seconds"], frame["memory"])
                _write(answer, encoded(_result(graph, frame)))
                code = 0
    except MemoryError:
        code = 2
    finally:
        os._exit(code)


def _end_with(parent: int) -> None:
    """Ends this process when the other ends, however that happens; Linux alone can do it."""
    if sys.platform == "linux":
        _C.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def _confine(seconds: float, memory: int) -> None:
    """Takes away what a query has no use for: descriptors, time, and memory without bound."""
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as file:  # before none can be opened
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A safety net only, if the loop above is killed: it counts real time, and ends us before.
    cpu = int(seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))


def _result(graph: Graph, frame: Json) -> Json:
    query, prefixes = frame["query"], prefixes_of(graph.vocabulary.namespace)
    begin = time.perf_counter()
    try:
        found = graph.store.query(query, prefixes=prefixes)
        if isinstance(found, pyoxigraph.QueryBoolean):
            return {"truth": bool(found), "elapsed": time.perf_counter() - begin}
        if not isinstance(found, pyoxigraph.QuerySolutions):
            return {"error": "query", "message": "only SELECT and ASK are answered"}
        rows = _Rows(graph).read(found, frame["rows"])
    except SyntaxError as failure:
        error = syntax_error(query, failure, prefixes)
        return {"error": "query", "message": error.message, "facts": error.facts}
    except (OSError, RuntimeError, ValueError) as failure:
        return {"error": "query", "message": f"the query failed: {str(failure)[:500]}"}
    return {**rows, "elapsed": time.perf_counter() - begin}


class _Rows:
    """Makes rows of solutions, with what stands for entities and their titles."""

    def __init__(self, graph: Graph) -> None:
        self._store = graph.store
        self._key = pyoxigraph.NamedNode(graph.vocabulary.key)
        self._named: dict[str, tuple[str, str]] = {}
        """Key and label by IRI: the same few come again and again."""
        self._size = 0

    def read(self, solutions: pyoxigraph.QuerySolutions, limit: int) -> Json:
        rows: list[list[list[Any] | None]] = []
        truncated = False
        width = len(solutions.variables)
        for solution in solutions:
            if len(rows) >= limit or self._size > MAX_ANSWER_BYTES:
                truncated = True
                break
            rows.append([self._term(solution[index]) for index in range(width)])
        return {
            "variables": [variable.value for variable in solutions.variables],
            "rows": rows,
            "truncated": truncated,
        }

    def _term(self, term: Any) -> list[Any] | None:
        """Kind, value, datatype, language, key, label; None for a variable without value."""
        self._size += 20
        if term is None:
            return None
        if isinstance(term, pyoxigraph.NamedNode):
            key, label = self._names(term)
            self._size += len(term.value) + len(label)
            return [1, term.value, "", "", key, label]
        if isinstance(term, pyoxigraph.Literal):
            datatype = "" if term.language or term.datatype == _STRING else term.datatype.value
            self._size += len(term.value) + len(datatype)
            return [2, term.value, datatype, term.language or "", "", ""]
        if isinstance(term, pyoxigraph.BlankNode):
            return [3, term.value, "", "", "", ""]
        return [2, str(term), "", "", "", ""]

    def _names(self, term: pyoxigraph.NamedNode) -> tuple[str, str]:
        found = self._named.get(term.value)
        if found is None:
            found = (self._value(term, self._key), self._value(term, _LABEL))
            self._named[term.value] = found
        return found

    def _value(self, subject: pyoxigraph.NamedNode, property_: pyoxigraph.NamedNode) -> str:
        quad = next(self._store.quads_for_pattern(subject, property_, None), None)
        found = quad.object if quad is not None else None
        return found.value if isinstance(found, pyoxigraph.Literal) else ""


if __name__ == "__main__":
    Worker().run()
