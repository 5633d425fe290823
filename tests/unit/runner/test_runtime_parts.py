"""The harness's parts by themselves: frames, output, verdicts; and how it is packed."""

import ast
import io
import json
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from services.runner.runtime.harness import frames, results, tracebacks, verdicts
from services.runner.runtime.harness.output import Output
from services.runner.sessions import bundle
from services.runner.sessions.outcome import OutcomeError, Verdict, outcome_of

RUNTIME = Path(bundle.__file__).parent / "runtime"


def test_runtime_is_written_for_the_oldest_python() -> None:
    """Every file of the runtime can be compiled by Python 3.8 and starts with a docstring."""
    for path in RUNTIME.rglob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        assert ast.get_docstring(tree), path


def test_bundle_is_the_same_for_the_same_sources() -> None:
    """The zip depends on contents alone, and holds all that is imported in an environment."""
    first = bundle.bundle()
    bundle.bundle.cache_clear()
    assert first == bundle.bundle()
    assert 64 == len(bundle.version())
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert {
        "boot/ackrep_harness/supervisor.py",
        "site/ackrep_core/__init__.py",
        "site/sitecustomize.py",
        "site/ackrep_shims.py",
        "site/ackrep_seeds.py",
    } <= set(names)


def test_frames_survive_any_cut() -> None:
    """A stream of frames read byte by byte gives the frames that were written."""
    sent: list[tuple[dict[str, Any], bytes]] = [
        ({"type": "a", "text": "ü"}, b""),
        ({"type": "b", "n": 1}, b"\x00\xff" * 10),
    ]
    stream = b"".join(frames.encode(header, body) for header, body in sent)
    decoder = frames.Decoder()
    received = []
    for position in range(len(stream)):
        decoder.feed(stream[position : position + 1])
        while (frame := decoder.next()) is not None:
            received.append(frame)
    assert sent == received


@pytest.mark.parametrize(
    "stream",
    [b"\xff" * 8, frames.LENGTHS.pack(2, 0) + b"[]", frames.LENGTHS.pack(1, 0) + b"{"],
    ids=["too long", "no object", "no JSON"],
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    """Anything else on the stream is an error, not a guess."""
    decoder = frames.Decoder()
    decoder.feed(stream)
    with pytest.raises(frames.FrameError):
        decoder.next()


def output_of(*parts: tuple[str, bytes], kept: int) -> tuple[list[tuple[str, str, int]], Output]:
    """The frames that these writes become."""
    sent: list[tuple[str, str, int]] = []

    def send(header: dict[str, Any], body: bytes) -> None:
        sent.append((header["stream"], body.decode(), header["dropped"]))

    output = Output(send, kept)
    for stream, data in parts:
        output.add(stream, data)
    output.finish()
    return sent, output


def test_a_character_is_never_cut() -> None:
    """Bytes of one character that come in two reads come out together; wrong ones are replaced."""
    sent, _ = output_of(
        ("stdout", "ä".encode()[:1]),
        ("stderr", b"e"),
        ("stdout", "ä".encode()[1:] + b"\xff"),
        kept=100,
    )
    assert [("stderr", "e", 0), ("stdout", "ä\ufffd", 0)] == sent


def test_head_and_tail_are_kept() -> None:
    """Beyond the bound the beginning and the end are kept, and what is between is counted."""
    text = "".join(f"{number:03}," for number in range(100))
    sent, output = output_of(("stdout", text.encode()), kept=40)
    assert [("stdout", text[:30], 0), ("stdout", text[-10:], 360)] == sent
    assert 360 == output.dropped
    assert 400 == output.total


def test_tail_spans_streams_and_characters() -> None:
    """The tail keeps the order of streams, and starts with a whole character."""
    sent, output = output_of(
        ("stdout", b"head.."), ("stdout", "ööö".encode()), ("stderr", b"!"), kept=8
    )
    assert [("stdout", "head..", 0), ("stderr", "!", 6)] == sent
    assert 6 == output.dropped


DONE = {"kind": "done", "success": True}
ERROR = {"kind": "error", "message": "E: x"}


@pytest.mark.parametrize(
    ("changes", "verdict", "limit"),
    [
        ({"report": DONE}, "SUCCESS", ""),
        ({"report": {"kind": "done", "success": False}}, "INACCURATE", ""),
        ({"report": ERROR}, "SCRIPT_ERROR", ""),
        ({"report": {**ERROR, "limit": "disk"}}, "LIMIT_EXCEEDED", "disk"),
        ({"report": ERROR, "oom_kills": 1}, "LIMIT_EXCEEDED", "memory"),
        ({"report": DONE, "oom_kills": 1}, "SUCCESS", ""),
        ({"report": ERROR, "fork_refusals": 1}, "LIMIT_EXCEEDED", "processes"),
        ({"fork_refusals": 1}, "LIMIT_EXCEEDED", "processes"),
        ({"report": {"kind": "broken"}}, "INFRASTRUCTURE_ERROR", ""),
        ({}, "SCRIPT_ERROR", ""),
        ({"signal": signal.SIGKILL}, "SCRIPT_ERROR", ""),
        ({"signal": signal.SIGKILL, "oom_kills": 1}, "LIMIT_EXCEEDED", "memory"),
        ({"signal": signal.SIGXCPU}, "TIMED_OUT", "cpu"),
        ({"signal": signal.SIGXFSZ}, "LIMIT_EXCEEDED", "file"),
        ({"stopped": "wall"}, "TIMED_OUT", "wall"),
        ({"stopped": "wall", "report": DONE}, "SUCCESS", ""),
        ({"stopped": "output"}, "LIMIT_EXCEEDED", "output"),
        ({"stopped": "cancel", "report": DONE}, "CANCELLED", ""),
        ({"stopped": "lost"}, "INFRASTRUCTURE_ERROR", ""),
    ],
)
def test_verdict_follows_what_was_seen(changes: dict[str, Any], verdict: str, limit: str) -> None:
    """One row for each way to end."""
    seen = verdicts.Seen(
        report=None,
        stopped="",
        reason="",
        exit_status=0,
        signal=None,
        oom_kills=0,
        fork_refusals=0,
        cpu_seconds=1.0,
        limits={},
    )._replace(**changes)
    judgement = verdicts.judge(seen)
    assert (verdict, limit) == (judgement.verdict, judgement.limit)


def test_traceback_of_a_hostile_exception_is_still_one() -> None:
    """An exception that cannot even be printed is told by its type."""

    class HostileError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    text, message = tracebacks.describe(HostileError(), "/data", "/runtime")
    assert "HostileError" in text
    assert "HostileError" in message


def test_outcome_refuses_what_it_does_not_know() -> None:
    """A result of wrong types does not become an outcome."""
    good = {"verdict": "SUCCESS", "score": "nan", "usage": {"wall_seconds": 1}}
    assert Verdict.SUCCESS == outcome_of(good).verdict
    for wrong in (
        {},
        {"verdict": "GREAT"},
        {**good, "score": "much"},
        {**good, "message": 7},
        {**good, "numbers": [{"name": "x", "dtype": "float64", "shape": [], "data": [{}]}]},
        {**good, "files_read": "all"},
    ):
        with pytest.raises(OutcomeError):
            outcome_of(json.loads(json.dumps(wrong)))


def test_outcome_holds_only_what_can_be_stored() -> None:
    """Names that are no UTF-8 and zero characters, which messages cannot carry, are spelled out."""
    outcome = outcome_of(
        {"verdict": "SCRIPT_ERROR", "message": "no \udcff\0 ü", "files_read": ["a/\ud800.txt"]}
    )
    assert "no \\udcff\\0 ü" == outcome.message
    assert ("a/\\ud800.txt",) == outcome.files_read


@pytest.mark.parametrize(
    "part",
    [
        {"score": 10**400},
        {"numbers": [{"name": "x", "dtype": "int64", "shape": [10**30], "data": [1]}]},
        {"numbers": [{"name": "x", "dtype": "int64", "shape": [1], "data": [10**400]}]},
    ],
)
def test_a_report_of_impossible_numbers_is_an_error(part: dict[str, Any]) -> None:
    """What an entity writes to the harness' pipe by itself cannot end the supervisor."""
    report = results.checked({"type": "report", "kind": "done", "success": True, **part})
    assert "error" == report["kind"]


ROW = {"cells": ["x" * 1000] * 40, "name": "", "value": None}
EMPTY: dict[str, Any] = {key: [] for key in ("states", "inputs", "equations", "columns")}


@pytest.mark.parametrize(
    "part",
    [
        {"final_state_errors": [0.0] * 100_000},
        {"numbers": [{"name": "x", "dtype": "text", "shape": [], "data": ["x" * 100_000]}]},
        {"description": {**EMPTY, "parameters": [ROW] * 500}},
    ],
)
def test_a_report_that_is_no_message_is_an_error(part: dict[str, Any]) -> None:
    """What would be too large to be sent on is the entity's fault, not the installation's."""
    report = {"type": "report", "kind": "done", "success": True}
    assert "error" == results.checked({**report, **part})["kind"]
    with pytest.raises(OutcomeError):
        outcome_of({"verdict": "SUCCESS", "description": {**EMPTY, "parameters": [ROW] * 500}})
    few = {"description": {**EMPTY, "parameters": [ROW] * 5}, "final_state_errors": [0.0] * 50}
    assert "done" == results.checked({**report, **few})["kind"]


def test_a_header_nested_without_end_is_no_frame() -> None:
    """JSON that is too deep to be read is refused like any other nonsense."""
    head = b'{"type":' + b"[" * 200_000
    decoder = frames.Decoder()
    decoder.feed(frames.LENGTHS.pack(len(head), 0) + head)
    with pytest.raises(frames.FrameError):
        decoder.next()
