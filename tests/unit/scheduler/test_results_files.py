"""Files of the 2022 results format: what they say, and what is wrong with others."""

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidArgumentError
from services.scheduler.domain.check import Verdict
from services.scheduler.domain.fingerprints import Failure, fingerprint
from services.scheduler.domain.imports import ResultsFile, file_name_of, read_file
from services.scheduler.domain.reports import read_report
from services.scheduler.history import exchange
from tests.results_files import (
    Entry,
    inaccurate,
    issues,
    missing_module,
    results_file,
    script_error,
    timed_out,
)

TIME = datetime(2022, 7, 19, 11, 58, 40, tzinfo=UTC)
NAME = "ci_results__2022_07_19__11_58_40.yaml"


def read(*entries: Entry) -> ResultsFile:
    """Writes a file and reads it."""
    return read_file(*results_file(TIME, entries))


def test_what_a_file_says_of_its_run() -> None:
    """Time, commits of both repositories, and the build."""
    file = read(Entry("UXMFA"))

    assert (file.time, file.commit, file.core_commit) == (TIME, "d" * 40, "c" * 40)
    assert file.build_url == "https://ci.invalid/7"
    assert file.title == "build 7: feat: models (develop)"
    assert (file.file_name, file_name_of(file.time)) == (NAME, NAME)


def test_verdicts() -> None:
    """Each way in which the 2022 system said that something ended has its verdict and message."""
    signal = issues("EEEEE", stderr="qt.qpa.plugin: no display\n", status=-6)
    file = read(
        Entry("AAAAA"),
        script_error("BBBBB"),
        timed_out("CCCCC"),
        inaccurate("DDDDD", 0.25),
        Entry("EEEEE", result=250, issues=signal),
        Entry("FFFFF", result=1, runtime=181.1),
        Entry("GGGGG", result=1, runtime=3.0),
    )

    assert [(one.entity, one.verdict, one.report.message) for one in file.checks] == [
        ("AAAAA", Verdict.SUCCESS, ""),
        ("BBBBB", Verdict.SCRIPT_ERROR, "ValueError: wrong dimensions"),
        ("CCCCC", Verdict.TIMED_OUT, "Entity calculation reached timeout (180s)."),
        ("DDDDD", Verdict.INACCURATE, "Discrepancy between states: [0.25, -0.5, 1e-09]"),
        ("EEEEE", Verdict.SCRIPT_ERROR, "ended by signal 6 (SIGABRT)"),
        ("FFFFF", Verdict.TIMED_OUT, "no result within 180 s"),
        ("GGGGG", Verdict.SCRIPT_ERROR, "failed without a word"),
    ]
    assert [one.report.exit_status for one in file.checks] == [None, 1, None, 2, -6, None, None]


def test_only_the_traceback_is_the_traceback() -> None:
    """What was printed before and after it is in the log alone."""
    [one] = read(missing_module("UXMFA", "scipy.integrate")).checks

    assert one.report.traceback.startswith("Traceback (most recent call last):\n")
    assert one.report.traceback.endswith("No module named 'scipy.integrate'")
    assert "Calculated with" in one.report.log


def test_a_command_without_output() -> None:
    """Where nothing was caught, the command says what failed."""
    text = issues("7WIQH", stderr="").replace("* Owlready2 * Warning: optimized parser", "None")
    report = read_report(1, text.replace("None is not available\n", "None"), seconds=24.6)

    assert report.message.startswith("The command `python /code/ackrep_data/execscript.py` exited")


def test_checks_ran_one_after_the_other() -> None:
    """Times of checks follow from the start of the run and what those before took."""
    file = read(Entry("AAAAA", runtime=2.0), Entry("BBBBB", runtime=3.5), Entry("CCCCC"))

    assert [one.start_time for one in file.checks] == [
        TIME,
        TIME + timedelta(seconds=2),
        TIME + timedelta(seconds=5.5),
    ]
    checks = exchange.checks_of(file)
    assert [check.id for check in checks] == sorted(check.id for check in checks)
    assert all(check.finished and check.run == file.run for check in checks)
    assert checks[0].finish_time == TIME + timedelta(seconds=2)


def test_ids_follow_from_the_name() -> None:
    """The same file gives the same ids; other runs sort by time."""
    one, other = read(Entry("AAAAA")), read(Entry("AAAAA"), Entry("BBBBB"))
    later = read_file(*results_file(TIME + timedelta(seconds=1), [Entry("AAAAA")]))

    assert one.run == other.run < later.run
    assert one.digest != other.digest
    assert one.checks[0].id == other.checks[0].id < later.checks[0].id
    assert all(len(file.run) == 32 and int(file.run, 16) for file in (one, later))


def test_the_digest_is_of_the_data() -> None:
    """Another way to write the same data is the same data; another order of keys is not."""
    one = read_file(NAME, b"AAAAA: {result: 0, runtime: 1.0}\nBBBBB: {result: 1}\n")
    same = read_file(
        NAME, b"# comment\nAAAAA:\n  result: 0\n  runtime: 1.0\n'BBBBB': {result: 1}\n"
    )
    turned = read_file(NAME, b"BBBBB: {result: 1}\nAAAAA: {result: 0, runtime: 1.0}\n")
    text = read_file(NAME, b"AAAAA: {result: 0, runtime: '1.0'}\nBBBBB: {result: 1}\n")

    assert one.digest == same.digest
    assert len({one.digest, turned.digest, text.digest}) == 3


def test_missing_fields_are_no_errors() -> None:
    """Only the result of a check has to be there; fields that are not known are accepted."""
    [one] = read_file(NAME, b"12345: {result: 0, extra: [1, {a: b}]}\n").checks

    assert (one.entity, one.environment, one.seconds) == ("12345", "", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"- 1\n", ":1: the file is no mapping"),
        (b"\xff\xfe", "is no UTF-8"),
        (b"a: [1\n", "is no YAML"),
        (b"a: 1\n---\nb: 2\n", "is no YAML"),
        (b"ci_logs: {}\nUXMFA:\n  runtime: 1\n", ":3: UXMFA has no field result"),
        (b"UXMFA:\n  result: yes\n", ":2: UXMFA.result is no integer: 'yes'"),
        (b"UXMFA:\n  result: [1]\n", ":2: UXMFA.result is no integer"),
        (b"UXMFA:\n  result: 0\n  date: today\n", ":3: UXMFA.date is no time: 'today'"),
        (b"UXMFA:\n  result: 0\n  runtime: -1\n", ":3: UXMFA.runtime is no number of seconds"),
        (b"UXMFA:\n  result: 0\n  runtime: .nan\n", ":3: UXMFA.runtime is no number of seconds"),
        (b"UXMFA:\n  result: 0\n  issues: {}\n", ":3: UXMFA.issues is no text"),
        (b"UXMFA: 1\n", ":1: UXMFA is no mapping"),
        (b"uxmfa: {result: 1}\n", ":1: uxmfa is no entity's key"),
        (b"UXMFA: {result: 1}\nUXMFA: {result: 0}\n", ":2: UXMFA is there twice"),
        (b"AAAAA: &a {result: 1}\nBBBBB: *a\n", ":2: has an alias"),
        (b"commit_logs: {ackrep_data: {sha: " + b"f" * 65 + b"}}\n", "more than 64 characters"),
        (b"[" * 100_000, "nested more than 16 levels deep"),
        (b"? [a]\n: 1\n", "has a key that is no text"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, message: str) -> None:
    """Errors name file, line and field."""
    with pytest.raises(InvalidArgumentError) as raised:
        read_file(NAME, content)

    assert raised.value.message.startswith(f"{NAME}:")
    assert message in raised.value.message


@pytest.mark.parametrize(
    "name", ["results.yaml", "ci_results__2022_13_19__11_58_40.yaml", f"../{NAME}", f"{NAME}\n"]
)
def test_names_of_files(name: str) -> None:
    """The name tells the time, and nothing else is taken for it."""
    with pytest.raises(InvalidArgumentError, match=r"the name is not of the form|is no time"):
        read_file(name, b"UXMFA: {result: 0}\n")


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_content_breaks_the_reader(content: bytes) -> None:
    """Whatever a file holds, it is read or refused."""
    with contextlib.suppress(InvalidArgumentError):
        assert read_file(NAME, content).file_name == NAME


@given(
    result=st.integers(-300, 300), text=st.text(max_size=300), seconds=st.none() | st.floats(0, 1e6)
)
def test_any_report_has_a_verdict(result: int, text: str, seconds: float | None) -> None:
    """Whatever was printed, there is a verdict; a failure has a message of one line."""
    report = read_report(result, text, seconds=seconds)

    assert (report.verdict is Verdict.SUCCESS) == (result == 0)
    assert bool(report.message) == (result != 0)
    assert "\n" not in report.message


@pytest.mark.parametrize(
    "piece",
    ["\n", " ", "a", "A a ", "The command `", "'/", "Traceback (most recent call last):\n", "1.",
     "\n    Traceback (most recent call last):", "\n        stdout: \n        stderr: ", "((",
     "tmp_", '\n  File "a", line 1, in f', "Error: ", "Entity reached timeout (", "\x1b[",
     "\r", "#, "],
)  # fmt: skip
def test_no_output_keeps_the_scheduler_busy(piece: str) -> None:
    """What entities print is read in little time, whatever it repeats."""
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    report = read_report(1, text, seconds=1.0)
    for verdict in (Verdict.SCRIPT_ERROR, Verdict.INACCURATE):
        fingerprint(
            Failure(verdict=verdict, message=text, traceback=f"{text}\n{text}", entity="AAAAA")
        )

    assert report.message
    assert time.process_time() - began < 2.0
