"""What a search answers over real gRPC, with real git, a real database and real entities."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc, search_pb2_grpc
from ackrep.catalog.v1 import search_pb2 as pb
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from services.errors import InvalidArgumentError, NotFoundError
from tests.catalog_system import DATABASES, TOKEN
from tests.git_repositories import write
from tests.unit.catalog.repositories import entity_files

DEMO = Path(__file__).parents[2] / "examples" / "demo_data"


@dataclass
class System:
    """A catalog and the folder that it reads."""

    folder: Path
    search: search_pb2_grpc.SearchServiceStub
    catalog: catalog_pb2_grpc.CatalogServiceStub

    async def ask(self, query: str = "", **fields: object) -> pb.SearchEntitiesResponse:
        """Searches."""
        request = pb.SearchEntitiesRequest(query=query, **fields)  # type: ignore[arg-type]
        with rpc.remote_errors():
            return await self.search.SearchEntities(request)

    async def keys(self, query: str = "", **fields: object) -> list[str]:
        """Keys that a search finds, best first."""
        return [result.entity.key for result in (await self.ask(query, **fields)).results]

    async def change(self, files: dict[str, str]) -> str:
        """Writes files and indexes them; returns the revision's name."""
        write(self.folder, files)
        revision = await self.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())
        return revision.name


@asynccontextmanager
async def system(folder: Path, state: Path, *, database: str = "") -> AsyncIterator[System]:
    """A catalog of a folder."""
    settings = Settings(
        token=TOKEN, source=str(folder), state=state, address="127.0.0.1:0", database=database
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        yield System(
            folder,
            search_pb2_grpc.SearchServiceStub(channel),
            catalog_pb2_grpc.CatalogServiceStub(channel),
        )


@pytest.fixture(params=DATABASES)
async def demo(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[System]:
    """A catalog of a copy of the demo data repository, with each database."""
    folder = tmp_path / "demo_data"
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("_data", "__pycache__"))
    database = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with system(folder, tmp_path / "state", database=database) as found:
        yield found


async def test_the_demo_repository(demo: System) -> None:
    """One finds what one looks for, with the reason and the choices that are left."""
    answer = await demo.ask("lorenz")
    assert ["LRNZ4", "LRHZX"] == [result.entity.key for result in answer.results]
    first = answer.results[0]
    assert ("title", "Lorenz system", (0, 6)) == (
        first.snippets[0].field,
        first.snippets[0].text,
        (first.snippets[0].matches[0].start, first.snippets[0].matches[0].length),
    )
    assert first.score > answer.results[1].score > 0
    assert ["type", "tag", "creator", "environment"] == [facet.field for facet in answer.facets]
    assert [("system_model", 2)] == [(one.value, one.count) for one in answer.facets[0].values]
    assert [("demo_environment", 2)] == [(one.value, one.count) for one in answer.facets[3].values]
    for query, wanted in (
        ("LRNZ4", ["LRNZ4"]),
        ("lrn", ["LRNZ4"]),
        ("ocse:Convergence_To_Strange_Attractor", ["CHUA8", "LRNZ4"]),
        ('"strange attractor"', ["CHUA8", "LRNZ4"]),
        ("lorenz -fluid", ["LRHZX"]),
        ("lornez chaos", ["LRNZ4"]),
        ("riccati lqr", ["LQRD1", "CPLQ1"]),
    ):
        assert set(wanted) == set(await demo.keys(query)), query
    (correction,) = (await demo.ask("lornez chaos")).corrections
    assert ("lornez", ["lorenz"]) == (correction.word, list(correction.replacements))


async def test_facet_values_are_filters(demo: System) -> None:
    """Every value of a facet, put into the filter, gives as many entities as it said."""
    for facet in (await demo.ask()).facets:
        assert facet.values
        for one in facet.values:
            value = one.value.replace("\\", "\\\\").replace('"', '\\"')
            answer = await demo.ask(filter=f'{facet.field} = "{value}"')
            assert one.count == answer.total_size, (facet.field, one.value)


async def test_pages_stay_with_their_revision(demo: System) -> None:
    """Later pages go on in the revision of the first one, whatever is indexed in between."""
    whole = await demo.keys("model", page_size=200)
    assert len(whole) > 4
    seen: list[str] = []
    token = ""
    while True:
        page = await demo.ask("model", page_size=2, page_token=token)
        assert len(whole) == page.total_size
        assert bool(page.facets) is not bool(token)
        seen += [result.entity.key for result in page.results]
        token = page.next_page_token
        if not token:
            break
        number = len(seen)
        await demo.change(entity_files(f"NEW{number:02d}", "system_model", name=f"model {number}"))
    assert whole == seen
    assert len(await demo.keys("model", page_size=200)) > len(whole)


async def test_time_travel(demo: System) -> None:
    """A search as of an older revision finds what was there then."""
    first = await demo.change({})
    second = await demo.change(entity_files("NEWER", "system_model", name="Zwieselbach"))
    assert ["NEWER"] == await demo.keys("zwieselbach")
    assert [] == await demo.keys("zwieselbach", revision=first)
    assert ["NEWER"] == await demo.keys("zwieselbach", revision=second)
    third = await demo.change(entity_files("NEWER", "system_model", name="Rippachtal"))
    assert [] == await demo.keys('"zwieselbach"')
    assert ["NEWER"] == await demo.keys("rippach", revision=third)
    found = (await demo.ask("zwieselbach", revision=second)).results[0].entity
    assert ("Zwieselbach", second) == (found.title, found.revision)


async def test_narrowed_by_the_caller(demo: System) -> None:
    """Names of entities narrow a search, also ten thousand of them."""
    assert ["LRHZX"] == await demo.keys("lorenz", entities=["entities/LRHZX", "entities/CPLQ1"])
    many = [f"entities/A{number:04d}" for number in range(9_999)]
    assert ["LRNZ4"] == await demo.keys("lorenz", entities=[*many, "entities/LRNZ4"])


async def test_bad_requests(demo: System) -> None:
    """What cannot be meant is refused with what would be right; hostile words are just words."""
    for fields, words in (
        ({"query": "x" * 10_000}, "500"),
        ({"query": " ".join(f"w{number}" for number in range(40))}, "32"),
        ({"filter": "nonsense"}, "not understood"),
        ({"filter": "text = a\0b"}, "NUL"),
        ({"page_size": -1}, "negative"),
        ({"page_token": "bad"}, "page_token"),
        ({"revision": "HEAD"}, "revision"),
        ({"entities": ["LRNZ4"]}, "entities/"),
        ({"entities": ["entities/AAAAA"] * 10_001}, "10000"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            await demo.ask(**fields)
    with pytest.raises(NotFoundError, match="0000"):
        await demo.ask("x", revision=f"revisions/{'0' * 40}")
    token = (await demo.ask("model", page_size=1)).next_page_token
    for other in ({"query": "models"}, {"query": "model", "filter": "type = comment"}):
        with pytest.raises(InvalidArgumentError, match="another request"):
            await demo.ask(page_token=token, **other)
    for query in ('"', "NEAR(", "a*", "^", "\x00", "' --", "{title}:", "-", "😀", "AND OR", "\\"):
        assert await demo.ask(query) is not None


async def test_texts_of_real_repositories(tmp_path: Path) -> None:
    """Metadata as people write it: empty fields, umlauts in pieces, addresses, stray spaces."""
    folder = tmp_path / "data"
    files = entity_files(
        "UENQQ",
        "method_package",
        name="PyTrajectory",
        short_description="'package for trajectory planning  of dynamical systems'",
        creator="'Carsten Knoll <carsten.knoll{ät}posteo.de> and Jia Xuehua'",
        tag_list="['']",
        notes="''",
    ) | entity_files(
        "UXMFA",
        "system_model",
        name="'Lorenz System '",
        short_description='"ODEs describing the \\"lorenz\\" system (R\\xf6ssler)"',
        creator="''",
        tag_list="['ocse:State_Space_System']",
        notes=">\n    to be\n    done",
    )
    folder.mkdir()
    write(folder, files)
    async with system(folder, tmp_path / "state") as found:
        for query, wanted in (
            ("trajectory", "UENQQ"),
            ("pytraj", "UENQQ"),
            ("carsten.knoll", "UENQQ"),
            ("ät", "UENQQ"),
            ("knol jia", "UENQQ"),
            ("uxmfa", "UXMFA"),
            ("rossler", "UXMFA"),
            ("state-space", "UXMFA"),
            ('"to be done"', "UXMFA"),
        ):
            assert [wanted] == await found.keys(query), query
