"""`RunnerService` and `EnvironmentService` over real gRPC."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from ackrep.runner.v1 import (
    environment_pb2,
    environment_pb2_grpc,
    runner_pb2,
    runner_pb2_grpc,
)
from services import rpc
from services.errors import EnvironmentUnavailableError
from services.runner.app import RunnerApp
from services.runner.domain.images import ForeignImageError
from services.runner.environments import Environments
from services.runner.servicer.environments import EnvironmentServicer
from services.runner.servicer.runner import RunnerServicer
from tests.runner_builders import SmallRunner, small_runner, write_definition


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[SmallRunner, grpc.aio.Channel]]:
    """A small runner and a channel to its service."""
    async with small_runner(folder) as runner:
        app = RunnerApp(
            worker=runner.worker,
            pool=runner.pool,
            backend=runner.backend,
            environments=Environments([folder / "environments"]),
        )

        def register(server: grpc.aio.Server) -> None:
            runner_pb2_grpc.add_RunnerServiceServicer_to_server(RunnerServicer(app), server)
            environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(
                EnvironmentServicer(app), server
            )

        async with (
            rpc.serving(
                address="127.0.0.1:0",
                token="t",
                register=register,
                services=[],
            ) as port,
            rpc.dial(f"127.0.0.1:{port}", token="t") as channel,
        ):
            yield runner, channel


async def test_the_runner_and_its_workplaces(tmp_path: Path) -> None:
    """Preparing makes an environment ready and warm; the runner then shows the workplace."""
    async with served(tmp_path) as (_, channel):
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        listed = await stub.ListEnvironments(environment_pb2.ListEnvironmentsRequest())
        assert [environment_pb2.Environment.STATE_ABSENT] == [e.state for e in listed.environments]
        steps = [
            step
            async for step in stub.PrepareEnvironment(
                environment_pb2.PrepareEnvironmentRequest(name="environments/demo_environment")
            )
        ]
        assert "building demo_environment" == steps[0].message
        assert environment_pb2.Environment.STATE_READY == steps[-1].environment.state
        assert "sha256:1" == steps[-1].environment.digest
        runners = runner_pb2_grpc.RunnerServiceStub(channel)
        runner = await runners.GetRunner(runner_pb2.GetRunnerRequest(name="runners/-"))
        assert "runners/r" == runner.name
        (workplace,) = runner.workplaces
        assert ("idle", "environments/demo_environment") == (workplace.state, workplace.environment)


async def test_pages_of_environments(tmp_path: Path) -> None:
    """Pages follow the name and end without a token."""
    async with served(tmp_path) as (_, channel):
        for name in ("a_environment", "z_environment"):
            write_definition(tmp_path / "environments", name)
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        names = []
        token = ""
        while True:
            page = await stub.ListEnvironments(
                environment_pb2.ListEnvironmentsRequest(page_size=2, page_token=token)
            )
            names.append([one.name for one in page.environments])
            token = page.next_page_token
            if not token:
                break
        expected = [f"environments/{n}_environment" for n in ("a", "demo", "z")]
        assert [expected[:2], expected[2:]] == names


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("environments/none_environment", grpc.StatusCode.NOT_FOUND),
        ("environments/demo_environment", grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
async def test_what_cannot_be_prepared(tmp_path: Path, name: str, code: grpc.StatusCode) -> None:
    """An unknown environment is not found; one that cannot be had says why."""
    async with served(tmp_path) as (runner, channel):
        runner.backend.failure = EnvironmentUnavailableError("asks for Python ==2.7")
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.PrepareEnvironment(
                environment_pb2.PrepareEnvironmentRequest(name=name)
            ):
                pass
        assert code == caught.value.code()


async def test_one_environment(tmp_path: Path) -> None:
    """It is shown with its other names and pinned packages; unknown ones are not found."""
    async with served(tmp_path) as (_, channel):
        write_definition(
            tmp_path / "environments",
            "a_environment",
            aliases=("b_environment",),
            requirements="# two\nnumpy==2.0\nsympy==1.13 # why\n",
        )
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        found = await stub.GetEnvironment(
            environment_pb2.GetEnvironmentRequest(name="environments/b_environment")
        )
        assert ("environments/a_environment", ["b_environment"]) == (found.name, [*found.aliases])
        assert ["numpy==2.0", "sympy==1.13"] == [*found.packages]
        for name, code in (
            ("environments/none_environment", grpc.StatusCode.NOT_FOUND),
            ("environments/a_environment@1.0.0", grpc.StatusCode.NOT_FOUND),
            ("environments/a_environment@not/a/tag", grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetEnvironment(environment_pb2.GetEnvironmentRequest(name=name))
            assert code == caught.value.code()


async def test_a_backend_without_images_says_so(tmp_path: Path) -> None:
    """Building, pulling and publishing fail with the reason why there are no images."""
    async with served(tmp_path) as (_, channel):
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        name = "environments/demo_environment"
        for stream in (
            stub.BuildEnvironment(environment_pb2.BuildEnvironmentRequest(name=name)),
            stub.PullEnvironment(environment_pb2.PullEnvironmentRequest(name=name)),
            stub.PushEnvironment(
                environment_pb2.PushEnvironmentRequest(name=name, version="1.0.0")
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="no images") as caught:
                async for _ in stream:
                    pass
            assert grpc.StatusCode.FAILED_PRECONDITION == caught.value.code()


async def test_a_verification_over_the_wire(tmp_path: Path) -> None:
    """Findings come in order with how bad they are."""
    async with served(tmp_path) as (_, channel):
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        found = await stub.VerifyEnvironment(
            environment_pb2.VerifyEnvironmentRequest(name="environments/demo_environment")
        )
        assert ("sha256:1", "memory") == (found.digest, found.confinement)
        severities = environment_pb2.VerifyEnvironmentResponse.Severity
        by_subject = {one.subject: severities.Name(one.severity) for one in found.findings}
        assert "SEVERITY_OK" == by_subject["definition"]
        assert "SEVERITY_WARNING" == by_subject["confinement"]
        assert "SEVERITY_ERROR" == by_subject["python"], "it tells no version"


async def test_another_product_is_a_finding(tmp_path: Path) -> None:
    """An image without our label is what a verification is to find, no failure of it."""
    async with served(tmp_path) as (runner, channel):
        runner.backend.failure = ForeignImageError("it lacks the label")
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        found = await stub.VerifyEnvironment(
            environment_pb2.VerifyEnvironmentRequest(name="environments/demo_environment")
        )
        (finding,) = found.findings
        assert environment_pb2.VerifyEnvironmentResponse.SEVERITY_ERROR == finding.severity
        assert ("labels", "it lacks the label") == (finding.subject, finding.message)


async def test_another_runner_is_not_found(tmp_path: Path) -> None:
    """Only the runner itself, or whichever answers, can be asked for; draining shows."""
    async with served(tmp_path) as (_, channel):
        stub = runner_pb2_grpc.RunnerServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetRunner(runner_pb2.GetRunnerRequest(name="runners/other"))
        assert grpc.StatusCode.NOT_FOUND == caught.value.code()
        drained = await stub.DrainRunner(runner_pb2.DrainRunnerRequest(name="runners/r"))
        assert drained.draining
