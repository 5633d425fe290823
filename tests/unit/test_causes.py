"""Likely causes of script errors."""

import pytest

from services.causes import Surroundings, likely, modules_of

AROUND = Surroundings(
    key="CPLQ1",
    environment="demo_environment",
    packages={"lqr_design": "LQRD1", "fixed_step": "FSTEP"},
    listed=frozenset({"LQRD1"}),
)


@pytest.mark.parametrize(
    ("message", "explanation", "remedy"),
    [
        (
            "ModuleNotFoundError: No module named 'assimulo.solvers'",
            "the package assimulo is not in demo_environment",
            "`ackrep env show demo_environment`",
        ),
        (
            "ModuleNotFoundError: No module named 'fixed_step'",
            "the module fixed_step is in the method package FSTEP, which CPLQ1 does not list",
            "add FSTEP to method_package_list",
        ),
        (
            "AttributeError: module 'numpy' has no attribute 'float'.",
            "NumPy 1.24 removed numpy.float",
            "write float in place of numpy.float",
        ),
        (
            "AttributeError: module 'scipy.integrate' has no attribute 'simps'",
            "scipy.integrate has no simps in the version that is installed here",
            "release notes",
        ),
        (
            "ImportError: cannot import name 'simps' from 'scipy.integrate' (/x/__init__.py)",
            "scipy.integrate has no simps",
            "release notes",
        ),
        (
            "AttributeError: module 'lqr_design' has no attribute 'gain'",
            "the module lqr_design has no gain",
            "`ackrep explain CPLQ1`",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'data/table.csv'",
            "data/table.csv does not exist where the check ran",
            "ignored by git",
        ),
        ("NotImplementedError: write it", "still to be written", "where the traceback ends"),
    ],
)
def test_named(message: str, explanation: str, remedy: str) -> None:
    """The last line of a traceback says what is wrong; the cause says what to do."""
    found = likely(message, AROUND)

    assert found is not None
    assert explanation in found.explanation
    assert remedy in found.remedy


@pytest.mark.parametrize(
    "message",
    [
        "",
        "ZeroDivisionError: division by zero",
        "AttributeError: 'list' object has no attribute 'x'",
    ],
)
def test_not_guessed(message: str) -> None:
    """Where one line does not say it, nothing is said."""
    assert likely(message, AROUND) is None


def test_modules_of_a_method_package() -> None:
    """What its folders `src` and `_build` hold; everything else is no module."""
    paths = ["src/lqr.py", "src/tools/__init__.py", "_build/fast.so", "metadata.yml", "docs/x.py"]
    assert {"lqr", "tools", "fast.so"} == modules_of(paths)
