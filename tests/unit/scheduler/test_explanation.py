"""Why a check ran or not: the changed input is named, and nothing else."""

import dataclasses
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain import machine
from services.scheduler.domain.check import Basis, Check, Folder, Limits, State, Verdict
from services.scheduler.domain.explanation import (
    Kind,
    PackageChange,
    Reason,
    Subject,
    explain,
    package_changes,
)
from tests.reusable_checks import NOW, a_check, ran, stands_for

FOLDERS = (
    Folder(key="AAAAA", path="models/a", tree="1" * 40),
    Folder(key="METHD", path="methods/m", tree="2" * 40),
)
PACKAGES = {"sha256:1": ("numpy==1.0", "scipy==1.0"), "sha256:2": ("numpy==2.0", "rich==13")}

Mutation = tuple[Reason, Callable[[Subject], Subject]]


def basis_of(check: Check) -> Basis:
    """The basis, which is there."""
    assert check.basis is not None
    return check.basis


def changed(subject: Subject, **fields: object) -> Subject:
    """The subject with other fields of its check's basis."""
    basis = dataclasses.replace(basis_of(subject.check), **fields)  # type: ignore[arg-type]
    return dataclasses.replace(subject, check=dataclasses.replace(subject.check, basis=basis))


def other_folder(subject: Subject) -> Subject:
    """The method has another content."""
    folders = (FOLDERS[0], dataclasses.replace(FOLDERS[1], tree="3" * 40))
    return dataclasses.replace(changed(subject, closure="closure 2"), folders=folders)


def no_folder(subject: Subject) -> Subject:
    """The method is no longer needed."""
    return dataclasses.replace(changed(subject, closure="closure 3"), folders=FOLDERS[:1])


def other_limit(subject: Subject) -> Subject:
    """Half of the processes."""
    check = dataclasses.replace(subject.check, limits=Limits(processes=64))
    return dataclasses.replace(subject, check=check)


def other_environment(subject: Subject) -> Subject:
    """An environment of another name."""
    check = dataclasses.replace(subject.check, environment="other_environment")
    return dataclasses.replace(subject, check=check)


FOLDER = {"kind": Kind.FOLDER_CHANGED, "key": "METHD", "path": "methods/m", "before": "2" * 40}
MUTATIONS: dict[str, Mutation] = {
    "folder": (Reason(**FOLDER, after="3" * 40), other_folder),  # type: ignore[arg-type]
    "folder gone": (Reason(**FOLDER), no_folder),  # type: ignore[arg-type]
    "image": (
        Reason(
            kind=Kind.IMAGE_CHANGED,
            before="sha256:1",
            after="sha256:2",
            packages=package_changes(PACKAGES["sha256:1"], PACKAGES["sha256:2"]),
        ),
        lambda subject: changed(subject, image="sha256:2"),
    ),
    "image unknown": (
        Reason(kind=Kind.IMAGE_UNKNOWN),
        lambda subject: changed(subject, image=""),
    ),
    "runtime": (
        Reason(kind=Kind.RUNTIME_CHANGED, before="one", after="two"),
        lambda subject: changed(subject, runtime="two"),
    ),
    "runtime unknown": (
        Reason(kind=Kind.RUNTIME_UNKNOWN),
        lambda subject: changed(subject, runtime=""),
    ),
    "limit": (
        Reason(kind=Kind.LIMIT_CHANGED, field="processes", before="128", after="64"),
        other_limit,
    ),
    "environment": (
        Reason(kind=Kind.ENVIRONMENT_CHANGED, before="demo_environment", after="other_environment"),
        other_environment,
    ),
    "forced": (Reason(kind=Kind.FORCED), lambda subject: changed(subject, forced=True)),
}
ALIKE = [{"folder", "folder gone"}, {"image", "image unknown"}, {"runtime", "runtime unknown"}]
"""Changes of the same component."""


def before() -> Subject:
    """A check that ran, with its closure."""
    return Subject(check=ran(a_check(id="0" * 32)), folders=FOLDERS)


def now() -> Subject:
    """An equal check that was just created."""
    return Subject(check=a_check(), folders=FOLDERS)


@given(st.sets(st.sampled_from(sorted(MUTATIONS)), min_size=1))
def test_an_explanation_names_exactly_the_changed_inputs(names: set[str]) -> None:
    """Each change is named, nothing else is, and each is one for which the check has to run."""
    for alike in ALIKE:
        names -= set(sorted(alike & names)[1:])
    subject = now()
    for name in sorted(names):
        subject = MUTATIONS[name][1](subject)

    assert {MUTATIONS[name][0] for name in names} == set(
        explain(subject, before(), packages=PACKAGES)
    )
    assert not stands_for(before().check, subject.check)


def test_a_reused_result_is_explained() -> None:
    """All inputs are the same."""
    origin = before()
    check = machine.reused(a_check(), origin=origin.check, now=NOW)

    assert (Reason(kind=Kind.SAME_INPUTS),) == explain(
        Subject(check=check, folders=FOLDERS), origin
    )


def test_the_first_check_of_an_entity_is_explained() -> None:
    """There is nothing to compare it with."""
    assert (Reason(kind=Kind.FIRST),) == explain(now(), None)


def test_a_verdict_that_is_not_reused_is_named() -> None:
    """As is a check before that has none."""
    for verdict in (Verdict.TIMED_OUT, Verdict.CANCELLED, Verdict.LIMIT_EXCEEDED):
        past = Subject(check=ran(a_check(id="0" * 32), verdict=verdict), folders=FOLDERS)
        wanted = Reason(kind=Kind.VERDICT_NOT_REUSABLE, before=verdict.name)
        assert (wanted,) == explain(now(), past)
    unfinished = Subject(check=a_check(id="0" * 32), folders=FOLDERS)
    assert (Reason(kind=Kind.UNFINISHED),) == explain(now(), unfinished)


def test_an_undeclared_dependency_with_another_tree_is_named() -> None:
    """The result before depends on the whole revision, which is another one."""
    past = ran(a_check(id="0" * 32, revision="b" * 40), on_revision=True)

    reason = Reason(kind=Kind.REVISION_CHANGED, before="b" * 40, after="a" * 40)
    assert (reason,) == explain(now(), Subject(check=past, folders=FOLDERS))


def test_an_image_that_changed_before_the_check_ran_is_named() -> None:
    """What counts is in what the checks ran, not what was expected."""
    past = ran(a_check(id="0" * 32), image="sha256:2")

    reasons = explain(now(), Subject(check=past, folders=FOLDERS), packages=PACKAGES)
    assert [Kind.IMAGE_CHANGED] == [reason.kind for reason in reasons]
    assert (
        PackageChange(name="numpy", before="2.0", after="1.0"),
        PackageChange(name="rich", before="13", after=""),
        PackageChange(name="scipy", before="", after="1.0"),
    ) == reasons[0].packages


def test_checks_without_inputs_are_explained() -> None:
    """What earlier versions stored, and what could not run."""
    old = Subject(check=ran(a_check(id="0" * 32)))
    old = dataclasses.replace(old, check=dataclasses.replace(old.check, basis=None))
    broken = machine.broken(a_check(basis=None), message="no such key", now=NOW)

    assert (Reason(kind=Kind.NOT_RECORDED),) == explain(now(), old)
    assert (Reason(kind=Kind.NOT_RECORDED),) == explain(old, None)
    assert (Reason(kind=Kind.BROKEN),) == explain(Subject(check=broken), before())
    assert State.FINISHED is broken.state
