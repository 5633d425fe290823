"""Stratified samples: promises that hold for all of them."""

import itertools
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.check import Verdict
from services.scheduler.domain.sampling import Subject, sample

_SUBJECTS = st.lists(
    st.builds(
        Subject,
        key=st.integers(0, 99999).map(lambda number: f"{number:05d}"),
        type=st.sampled_from(["system_model", "problem_solution", "notebook"]),
    ),
    unique_by=lambda subject: subject.key,
    max_size=60,
)


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[Subject], dict[str, Verdict]]:
    """Entities, some of which have verdicts."""
    subjects = draw(_SUBJECTS)
    verdicts = {
        subject.key: verdict
        for subject in subjects
        if (verdict := draw(st.sampled_from([None, Verdict.SUCCESS, Verdict.INACCURATE])))
    }
    return subjects, verdicts


@given(populations(), st.integers(0, 70), st.randoms())
def test_every_stratum_has_its_share(
    population: tuple[list[Subject], dict[str, Verdict]], size: int, random: Random
) -> None:
    """As many as asked for, at least one of each stratum, and nobody's order matters."""
    subjects, verdicts = population
    strata: dict[tuple[str, Verdict | None], set[str]] = {}
    for subject in subjects:
        strata.setdefault((subject.type, verdicts.get(subject.key)), set()).add(subject.key)

    chosen = sample(subjects, verdicts=verdicts, size=size)

    wanted = min(max(size, len(strata)), len(subjects)) if size else len(subjects)
    assert wanted == len(set(chosen)) == len(chosen)
    assert sorted(chosen) == chosen
    for members in strata.values():
        taken = len(members & set(chosen))
        assert taken >= 1
        if size > len(strata):
            exact = 1 + (size - len(strata)) * (len(members) - 1) / max(
                len(subjects) - len(strata), 1
            )
            assert taken == len(members) or abs(taken - exact) < 1
    random.shuffle(subjects)
    assert chosen == sample(subjects, verdicts=verdicts, size=size)


def test_a_larger_sample_holds_the_smaller_one() -> None:
    """Of one stratum, asking for more adds entities and exchanges none."""
    subjects = [Subject(key=f"A{number:04d}", type="notebook") for number in range(50)]

    samples = [set(sample(subjects, verdicts={}, size=size)) for size in range(1, 50)]

    assert all(less < more for less, more in itertools.pairwise(samples))
