"""Fingerprints of failures: one cause is one fingerprint, another cause another one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.check import Verdict
from services.scheduler.domain.fingerprints import Failure, fingerprint, normalised
from tests.results_files import LIBRARY, issues, traceback

KEYS = st.text(string.ascii_uppercase + string.digits, min_size=5, max_size=5)
FOLDERS = st.from_regex(r"[a-z]{3,9}_[a-z0-9]{2,9}_system", fullmatch=True)
LINES = st.integers(1, 9999)
ROOTS = st.sampled_from(["/code/ackrep_data/", "/home/some one/data/", ""])
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def of(text: str, *, entity: str = "UXMFA", verdict: Verdict = Verdict.SCRIPT_ERROR) -> str:
    """The fingerprint of a traceback."""
    return fingerprint(Failure(verdict=verdict, entity=entity, traceback=text)).digest


def raised_in(root: str, folder: str, line: int, statement: str, exception: str) -> str:
    """A traceback that ends in an entity's own code."""
    return (
        "Traceback (most recent call last):\n"
        f'  File "{root}system_models/{folder}/simulation.py", line {line}, in simulate\n'
        f"    {statement}\n"
        f"{exception}\n"
    )


@given(first=KEYS, second=KEYS, folders=st.tuples(FOLDERS, FOLDERS), lines=st.tuples(LINES, LINES))
def test_the_same_cause_in_other_entities(
    first: str, second: str, folders: tuple[str, str], lines: tuple[int, int]
) -> None:
    """Key, folder and line of the entity change nothing, nor does all that was printed around."""
    texts = [
        issues(key, stderr=traceback(folder, LIBRARY, line=line))
        for key, folder, line in zip((first, second), folders, lines, strict=True)
    ]

    assert of(texts[0], entity=first) == of(texts[1], entity=second)
    assert of(texts[0], entity=first) == of(traceback(folders[1], LIBRARY), entity=second)


@given(
    roots=st.tuples(ROOTS, ROOTS),
    folders=st.tuples(FOLDERS, FOLDERS),
    numbers=st.tuples(NUMBERS, NUMBERS),
)
def test_numbers_and_paths_in_messages(
    roots: tuple[str, str], folders: tuple[str, str], numbers: tuple[float, float]
) -> None:
    """Numbers, addresses, paths and temporary names in a message change nothing."""
    found = {
        of(
            raised_in(
                root,
                folder,
                7,
                "x = f(y)",
                f"ValueError: step {number} of [{number}, 1.5] "
                f"in /tmp/tmp{folder}1/{folder}/run.log at 0x{abs(hash(number)):x} of {folder}",
            )
        )
        for root, folder, number in zip(roots, folders, numbers, strict=True)
    }

    assert len(found) == 1


@given(
    kinds=st.lists(
        st.sampled_from(["ValueError", "KeyError", "OSError", "my.own.Error"]),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_other_types_are_other_causes(kinds: list[str]) -> None:
    """The type of the exception tells causes apart."""
    one, other = (raised_in("/d/", "a_model", 1, "f()", f"{kind}: no 'x'") for kind in kinds)

    assert of(one) != of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ModuleNotFoundError: No module named 'a'", "ModuleNotFoundError: No module named 'b'"),
        ("FileNotFoundError: no file '/a/b.dat'", "FileNotFoundError: no file '/a/c.dat'"),
        ("TypeError: f() missing 1 argument", "TypeError: g() missing 1 argument"),
        ("ValueError: too large", "ValueError: too small"),
    ],
)
def test_other_messages_are_other_causes(one: str, other: str) -> None:
    """What a message names tells causes apart."""
    texts = [raised_in("/d/", "a_model", 1, "f()", message) for message in (one, other)]

    assert of(texts[0]) != of(texts[1])


def test_a_message_that_names_nothing_needs_its_place() -> None:
    """Divisions by zero in different statements, and in functions of packages, are different."""
    message = "ZeroDivisionError: division by zero"
    same = [raised_in("/d/", folder, 3, "x = a / b", message) for folder in ("a_model", "b_model")]
    other = raised_in("/d/", "a_model", 3, "y = 1 / c", message)
    installed = raised_in("/d/", "a_model", 3, "x = a / b", "").rstrip() + (
        '\n  File "/usr/lib/python3.11/site-packages/lib/core.py", line 9, in mean\n    f / n\n'
        + message
    )

    assert of(same[0]) == of(same[1])
    assert len({of(same[0]), of(other), of(installed)}) == 3


def test_a_missing_module_is_one_cause_whoever_asks() -> None:
    """It does not matter which statement, or which package, asks for what is not there."""
    message = "ImportError: cannot import name 'fmin' from 'scipy.optimize' (unknown location)"
    own = raised_in("/d/", "a_model", 3, "from scipy.optimize import fmin", message)
    package = raised_in("/d/", "b_model", 3, "import tools", "").rstrip() + (
        '\n  File "/opt/conda/lib/python3.8/site-packages/tools/core.py", line 9, in <module>\n'
        "    from scipy.optimize import fmin as f\n"
        "ImportError: cannot import name 'fmin' from 'scipy.optimize' (/opt/scipy/optimize.py)"
    )

    assert of(own) == of(package)


def test_the_last_exception_counts() -> None:
    """Of a chain it is the one that ended the program, as in the last line people read."""
    first = raised_in("/d/", "a_model", 1, "f()", "KeyError: 'x'")
    last = raised_in("/d/", "a_model", 2, "g()", "RuntimeError: no 'y'")
    ignored = "Exception ignored in: <function f>\n" + raised_in("/d/", "a", 1, "h()", "OSError: 1")
    between = "\nDuring handling of the above exception, another exception occurred:\n\n"

    found = fingerprint(
        Failure(verdict=Verdict.SCRIPT_ERROR, traceback=first + between + last + ignored)
    )
    assert (found.title, found.digest) == ("RuntimeError: no 'y'", of(last))


def test_live_tracebacks_have_relative_paths() -> None:
    """Paths of packages and of the repository are both relative; the files read tell which."""
    text = (
        "Traceback (most recent call last):\n"
        '  File "problem_solutions/{0}/solution.py", line 5, in solve\n'
        "    controller()\n"
        '  File "method_packages/lqr/lqr.py", line 8, in controller\n'
        "    return gain / zero\n"
        "ZeroDivisionError: division by zero\n"
    )
    own = {
        fingerprint(
            Failure(
                verdict=Verdict.SCRIPT_ERROR,
                traceback=text.format(folder),
                files=["method_packages/lqr/lqr.py"],
            )
        ).digest
        for folder in ("first", "second")
    }

    assert len(own) == 1
    assert own == {
        of(
            text.format("third")
            .replace('"', '"/code/data/', 1)
            .replace('"meth', '"/code/data/meth')
        )
    }


def test_kinds_without_a_traceback() -> None:
    """Time-outs are one cause wherever they were; other ways to end are told by their message."""
    verdicts = {
        verdict: fingerprint(Failure(verdict=verdict, message="memory: 2 GiB are allowed")).digest
        for verdict in Verdict
        if verdict not in (Verdict.SUCCESS, Verdict.CANCELLED)
    }
    late = fingerprint(Failure(verdict=Verdict.TIMED_OUT, message="no result", traceback=LIBRARY))
    more = Failure(verdict=Verdict.LIMIT_EXCEEDED, message="memory: 4 GiB are allowed")
    disk = Failure(verdict=Verdict.LIMIT_EXCEEDED, message="disk: 2 GiB are allowed")

    assert len(set(verdicts.values())) == len(verdicts)
    assert late.digest == verdicts[Verdict.TIMED_OUT]
    assert fingerprint(more).digest == verdicts[Verdict.LIMIT_EXCEEDED] != fingerprint(disk).digest


def test_coloured_tracebacks_of_notebooks() -> None:
    """The last line is found in frames of other forms, with colours."""
    text = (
        "\x1b[0;31m------\x1b[0m\nNameError      Traceback (most recent call last)\n"
        "Cell In [1], line 2\n----> 2 x\n\x1b[0;31mNameError\x1b[0m: name 'x' is not defined\n"
    )
    found = fingerprint(Failure(verdict=Verdict.SCRIPT_ERROR, traceback=text))

    assert found.title == "NameError: name 'x' is not defined"


@given(text=st.text(max_size=300), entity=KEYS)
def test_any_text_has_a_fingerprint(text: str, entity: str) -> None:
    """No text is too strange."""
    for verdict in (Verdict.SCRIPT_ERROR, Verdict.INACCURATE):
        found = fingerprint(Failure(verdict=verdict, entity=entity, message=text, traceback=text))
        assert len(found.digest) == 32
        assert len(found.title) <= 300
        assert not any(character < " " for character in found.title)
    assert "\n" not in normalised(text, entity=entity)
