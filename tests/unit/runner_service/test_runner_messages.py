"""Between protos and the runner's own values."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services.runner.checks.messages import (
    VERDICTS,
    assignment_of,
    duration_of,
    quantities_of,
    result_of,
)
from services.runner.domain.attempts import Artefact, CheckLimits, Report
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.sessions.outcome import (
    Cleanliness,
    Description,
    Number,
    Outcome,
    ParameterRow,
    Usage,
    Verdict,
)
from tests.runner_builders import assignment


def test_every_verdict_has_its_number() -> None:
    """The harness' verdicts and those of the wire are the same words."""
    assert {name.removeprefix("VERDICT_") for name in check_pb2.Verdict.keys()} == {  # noqa: SIM118  # an enum wrapper, no dict
        "UNSPECIFIED",
        *(verdict.value for verdict in VERDICTS),
    }


def test_a_lease_becomes_an_assignment() -> None:
    """Entity, revision, environment, seed and all limits arrive in seconds and bytes."""
    wall = Duration()
    wall.FromTimedelta(timedelta(seconds=1.5))
    lease = dispatch_pb2.Lease(
        check=check_pb2.Check(
            name="checks/1", attempt=2, entity="entities/A", revision="r", environment="e"
        ),
        limits=check_pb2.Limits(wall_time=wall, memory_bytes=5, processes=6),
        seed=7,
    )
    found = assignment_of(lease)
    assert ("checks/1", 2, "entities/A", "r", "e", 7) == (
        found.check,
        found.attempt,
        found.entity,
        found.revision,
        found.environment,
        found.seed,
    )
    assert CheckLimits(wall_seconds=1.5, memory_bytes=5, processes=6) == found.limits
    assert lease.check == check_pb2.Check.FromString(found.message)


def test_a_report_becomes_a_result() -> None:
    """All that is known of a check stands in its result."""
    report = Report(
        outcome=Outcome(
            verdict=Verdict.LIMIT_EXCEEDED,
            limit="memory",
            score=0.5,
            usage=Usage(wall_seconds=1.0, max_rss_bytes=9),
            files_read=("a",),
            cleanliness=Cleanliness(
                processes_killed=2,
                processes=("sleep",),
                files_own=3,
                files_removed=4,
                leftovers=("/tmp/x",),
                ipc_objects=1,
                oom_kills=1,
                memory_bytes=5,
            ),
        ),
        retired="a check left something behind",
        workplace=WorkplaceInfo(
            id="w",
            environment="e",
            environment_digest="sha256:1",
            confinement="container+uid",
            python="3.11.2",
            packages=("numpy==2",),
            shims=("s",),
            machine="x86_64",
        ),
        artefacts=(Artefact(sha256="a", path="p.png", size=3),),
        log="artefacts/b",
        phases=(("run", 0.25),),
        remarks=("r",),
    )
    result = result_of(
        report, assignment(), runner="runners/r", backend="docker", runtime_version="v"
    )
    assert check_pb2.VERDICT_LIMIT_EXCEEDED == result.verdict
    assert "exceeded the limit: memory" == result.message
    assert 0.5 == result.score
    assert "image/png" == result.artefacts[0].content_type
    assert timedelta(seconds=0.25) == result.phases[0].duration.ToTimedelta()
    provenance = result.provenance
    assert ("runners/r", "docker", "v", "container+uid", "3.11.2", 7) == (
        provenance.runner,
        provenance.backend,
        provenance.runtime_version,
        provenance.confinement,
        provenance.python,
        provenance.seed,
    )
    assert timedelta(seconds=5) == provenance.limits.wall_time.ToTimedelta()
    left = result.cleanliness
    assert (2, ["sleep"], 3, 4) == (
        left.processes_killed,
        list(left.processes),
        left.files_own,
        left.files_shared,
    )
    assert (["/tmp/x"], 1, 1, 5) == (
        list(left.leftovers),
        left.ipc_objects,
        left.oom_kills,
        left.memory_bytes,
    )
    assert "a check left something behind" == left.replaced


def test_numbers_are_kept_texts_are_not() -> None:
    """Arrays keep the shape of the whole, cut ones say so, and what is no number is left out."""

    def number(name: str, **facts: object) -> Number:
        usual = {"dtype": "float64", "shape": (2,), "data": (1.0, 2.0), "truncated": False}
        return Number(name=name, **{**usual, **facts})  # type: ignore[arg-type]

    outcome = Outcome(
        verdict=Verdict.SUCCESS,
        final_state_errors=(0.1,),
        numbers=(
            number("a"),
            number("b", shape=(5, 5), truncated=True),
            number("c", dtype="text", data=("x",)),
            number("d", dtype="bool", shape=(), data=(True,)),
        ),
    )
    found = {q.name: (list(q.values), list(q.shape)) for q in quantities_of(outcome)}
    assert {
        "final_state_errors": ([0.1], [1]),
        "a": ([1.0, 2.0], [2]),
        "b": ([1.0, 2.0], [5, 5]),
        "d": ([1.0], []),
    } == found
    assert ["b"] == [q.name for q in quantities_of(outcome) if q.truncated]


def test_saved_arrays_name_their_artefact() -> None:
    """A quantity leads to its file; complex numbers are in the file alone, or left out."""

    def number(name: str, file: str, **facts: object) -> Number:
        usual = {"dtype": "complex128", "shape": (9,), "data": ("1j",), "truncated": True}
        return Number(name=name, file=file, **{**usual, **facts})  # type: ignore[arg-type]

    outcome = Outcome(
        verdict=Verdict.SUCCESS,
        numbers=(
            number("c", "_results/c.npy"),
            number("lost", "_results/lost.npy"),
            number("f", "_results/f.npy", dtype="float64", data=(1.0,)),
        ),
    )
    report = Report(
        outcome=outcome,
        workplace=None,
        artefacts=(
            Artefact(sha256="a" * 64, path="models/x/_results/c.npy", size=9),
            Artefact(sha256="b" * 64, path="models/x/_results/f.npy", size=9),
            Artefact(sha256="c" * 64, path="models/x/lost.npy", size=9),
        ),
    )
    result = result_of(report, assignment(), runner="r", backend="b", runtime_version="v")
    assert [
        ("c", [], [9], "complex128", True, f"artefacts/{'a' * 64}"),
        ("f", [1.0], [9], "float64", True, f"artefacts/{'b' * 64}"),
    ] == [
        (q.name, list(q.values), list(q.shape), q.dtype, q.truncated, q.artefact)
        for q in result.quantities
    ]


def test_a_models_description_is_kept() -> None:
    """States, inputs, equations and the parameter table, whose values are numbers or absent."""
    outcome = Outcome(
        verdict=Verdict.SUCCESS,
        description=Description(
            states=("x_{1}",),
            inputs=(),
            equations=(r"\dot{x}_{1} = a",),
            columns=("Symbol", "Value"),
            parameters=(
                ParameterRow(cells=("$a$", "$0$"), name="a", value=0.0),
                ParameterRow(cells=("$b$", "$2 a$"), name="b", value=None),
            ),
        ),
    )
    report = Report(outcome=outcome, workplace=None)
    result = result_of(report, assignment(), runner="r", backend="b", runtime_version="v")
    found = result.description
    assert ["x_{1}"] == list(found.states)
    assert [r"\dot{x}_{1} = a"] == list(found.equations)
    assert ["Symbol", "Value"] == list(found.parameter_columns)
    assert [("a", True), ("b", False)] == [
        (row.name, row.HasField("value")) for row in found.parameters
    ]
    bare = Report(outcome=Outcome(verdict=Verdict.SUCCESS), workplace=None)
    without = result_of(bare, assignment(), runner="r", backend="b", runtime_version="v")
    assert not without.HasField("description")


def test_durations_keep_their_parts() -> None:
    """Seconds and their fractions survive."""
    assert timedelta(seconds=3.25) == duration_of(3.25).ToTimedelta()
