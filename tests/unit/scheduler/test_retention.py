"""Which artefacts go: promises for any history and any policy."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.check import Verdict
from services.scheduler.domain.retention import (
    FAILURES,
    FinishedCheck,
    RetentionPolicy,
    StoredFile,
    Use,
    keeping,
    removals,
)

NOW = 1_000_000.0
GRACE = 100.0


@st.composite
def histories(draw: st.DrawFn) -> list[FinishedCheck]:
    """Finished checks of a few entities in a few environments, oldest first."""
    verdicts = draw(
        st.lists(
            st.tuples(st.sampled_from("AB"), st.sampled_from("xy"), st.sampled_from(Verdict)),
            max_size=40,
        )
    )
    return [
        FinishedCheck(id=f"{number:04d}", entity=entity, environment=environment, verdict=verdict)
        for number, (entity, environment, verdict) in enumerate(verdicts)
    ]


@given(histories())
def test_the_last_success_and_the_first_failure_after_it_are_kept(
    history: list[FinishedCheck],
) -> None:
    """Of each entity and environment exactly these are kept, whatever else there was."""
    wanted: set[str] = set()
    for where in {(check.entity, check.environment) for check in history}:
        own = [check for check in history if (check.entity, check.environment) == where]
        good = [check.id for check in own if check.verdict is Verdict.SUCCESS]
        bad = [
            check.id
            for check in own
            if check.verdict in FAILURES and (not good or check.id > good[-1])
        ]
        wanted |= {*good[-1:], *bad[:1]}

    assert wanted == keeping(history)


@given(histories(), st.sampled_from("AB"), st.sampled_from("xy"))
def test_a_new_failure_releases_nothing(
    history: list[FinishedCheck], entity: str, environment: str
) -> None:
    """However often an entity fails, what is known of its last success stays."""
    failure = FinishedCheck(
        id="9999", entity=entity, environment=environment, verdict=Verdict.SCRIPT_ERROR
    )

    assert keeping(history) <= keeping([*history, failure])


DIGESTS = [f"{number:02d}" for number in range(12)]


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[StoredFile], dict[str, Use], RetentionPolicy]:
    """Files, who uses them, and a policy."""
    times = st.integers(min_value=int(NOW) - 1000, max_value=int(NOW)).map(float)
    files = [
        StoredFile(
            sha256=digest,
            size=draw(st.integers(min_value=0, max_value=50)),
            last_asked=draw(times),
        )
        for digest in draw(st.lists(st.sampled_from(DIGESTS), unique=True))
    ]
    uses = {
        digest: Use(last=draw(times), kept=draw(st.booleans()))
        for digest in draw(st.lists(st.sampled_from(DIGESTS), unique=True))
    }
    age = draw(st.none() | st.integers(min_value=0, max_value=1200))
    return (
        files,
        uses,
        RetentionPolicy(
            age=None if age is None else timedelta(seconds=age),
            size=draw(st.integers(min_value=0, max_value=300)),
            grace=timedelta(seconds=GRACE),
        ),
    )


@given(stores())
def test_what_has_to_stay_stays(
    store: tuple[list[StoredFile], dict[str, Use], RetentionPolicy],
) -> None:
    """Nothing goes that a kept check refers to, or that was asked for within the grace period."""
    files, uses, policy = store
    found = removals(files, uses, policy=policy, now=NOW)
    asked = {file.sha256: file.last_asked for file in files}

    for digest in (*found.expired, *found.unknown):
        assert asked[digest] <= NOW - GRACE
    assert not any(uses[digest].kept for digest in found.expired)
    assert not set(found.unknown) & uses.keys()
    assert len({*found.expired, *found.unknown}) == len(found.expired) + len(found.unknown)


@given(stores())
def test_what_may_go_goes_and_no_more(
    store: tuple[list[StoredFile], dict[str, Use], RetentionPolicy],
) -> None:
    """All that is too old goes; for the size, the oldest go, and only as many as have to."""
    files, uses, policy = store
    found = removals(files, uses, policy=policy, now=NOW)
    sizes = {file.sha256: file.size for file in files}
    removable = {
        file.sha256
        for file in files
        if file.last_asked <= NOW - GRACE and file.sha256 in uses and not uses[file.sha256].kept
    }
    left = removable - {*found.expired}
    total = sum(sizes.values()) - sum(sizes[one] for one in (*found.expired, *found.unknown))

    if policy.keeps_all:
        assert () == found.expired
    if policy.age is not None:
        oldest = NOW - policy.age.total_seconds()
        assert all(uses[digest].last >= oldest for digest in left)
    if policy.size and left:
        assert total <= policy.size
    if found.expired:
        assert all(uses[found.expired[-1]].last <= uses[digest].last for digest in left)
        last = found.expired[-1]
        too_old = policy.age is not None and uses[last].last < NOW - policy.age.total_seconds()
        assert too_old or total + sizes[last] > policy.size


def test_files_of_attempts_that_never_finished_go() -> None:
    """A file that no check refers to goes after the grace period, also where all is kept."""
    files = [
        StoredFile(sha256="known", size=1, last_asked=0),
        StoredFile(sha256="left", size=1, last_asked=NOW - GRACE),
        StoredFile(sha256="new", size=1, last_asked=NOW - GRACE + 1),
    ]
    policy = RetentionPolicy(grace=timedelta(seconds=GRACE))

    found = removals(files, {"known": Use(last=0)}, policy=policy, now=NOW)

    assert ((), ("left",)) == (found.expired, found.unknown)


def test_a_database_that_knows_no_file_removes_none() -> None:
    """A scheduler that was pointed to the wrong folder, or database, does no harm there."""
    files = [StoredFile(sha256=digest, size=9, last_asked=0) for digest in DIGESTS]
    policy = RetentionPolicy(age=timedelta(0), size=1)

    found = removals(files, {"other": Use(last=0)}, policy=policy, now=NOW)

    assert ((), ()) == (found.expired, found.unknown)
