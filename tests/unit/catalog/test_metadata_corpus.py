"""A corpus of generated files, from right ones to noise, through parsing, reading and indexing.

The corpus of a failure is made again with `FUZZ_SEED=… pytest tests/unit/catalog/…`; `FUZZ_COUNT`
makes a larger one.
"""

import json
import os
import time

import pytest
from google.protobuf.struct_pb2 import Struct

from services.catalog.domain.diagnostics import Problem, Severity
from services.catalog.domain.entities import Entity
from services.catalog.domain.metadata.documents import Document, Position
from services.catalog.domain.metadata.reading import MAX_PROBLEMS, read_entity
from services.catalog.metadata.parsing import locate, parse_carefully, parse_metadata
from services.catalog.metadata.quick import quick_values
from tests.unit.catalog.corpus import file
from tests.unit.catalog.repositories import entity_files, index_of

SEED = int(os.environ.get("FUZZ_SEED", "2022"))
COUNT = int(os.environ.get("FUZZ_COUNT", "5000"))
SECONDS = 0.05
"""Longest time that one file may take, parsed carefully and read."""

Outcome = tuple[Entity | None, tuple[Problem, ...]]


@pytest.fixture(autouse=True)
def _told() -> None:
    """Tells how to make the corpus again; shown where a test fails."""
    print(f"FUZZ_SEED={SEED} FUZZ_COUNT={COUNT}")


def outcome(document: Document) -> Outcome:
    """What becomes of a document."""
    return read_entity(document, path="a/b", tree="0" * 40)


def check_outcome(content: bytes, document: Document, found: Outcome) -> None:
    """An entity or an error; every text storable, every place in the file."""
    entity, problems = found
    lines = content.count(b"\n") + content.count(b"\r") + content.count("\x85".encode()) + 3
    lines += content.count("\u2028".encode()) + content.count("\u2029".encode())
    assert entity is not None or any(one.severity is Severity.ERROR for one in problems)
    assert len(problems) <= MAX_PROBLEMS + 1
    for one in problems:
        text = one.message + one.remedy + one.field
        assert one.message
        assert one.remedy
        assert "\0" not in text
        assert len(text.encode()) < 4_000
        assert 0 <= one.line <= lines
    if entity is not None:
        text = json.dumps(entity.metadata, allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in text
        assert text.encode()
        struct = Struct()
        struct.update(entity.metadata)
        assert Struct.FromString(struct.SerializeToString()) == struct
        assert all(document.position(name) != Position() for name in document.values)


def seconds(content: bytes) -> float:
    """Processor time of the careful way."""
    begin = time.process_time()
    outcome(parse_carefully(content))
    return time.process_time() - begin


def test_any_file_becomes_an_entity_or_an_error_soon() -> None:
    """Nothing crashes, the quick way agrees with the careful one, and no file takes long."""
    entities = quick = 0
    for number in range(COUNT):
        content = file(SEED, number)
        careful = parse_carefully(content)
        found = outcome(careful)
        check_outcome(content, careful, found)
        entities += found[0] is not None
        if quick_values(content) is not None:
            quick += 1
            document = parse_metadata(content)
            assert careful == document, f"file {number}"
            assert careful.locate is not None
            assert careful.locate() == locate(content), f"file {number}"
            assert found == outcome(document), f"file {number}"
        if seconds(content) > SECONDS:
            assert min(seconds(content) for _ in range(5)) <= SECONDS, f"file {number}"
    assert entities > COUNT / 10
    assert quick > COUNT / 20
    assert entities < COUNT


def test_bad_entities_hide_no_good_one() -> None:
    """Indexed together with any files, good entities are found all the same."""
    good = entity_files("GOOD1", "documentation") | entity_files("GOOD2", "comment")
    size = 500
    for first in range(0, COUNT, size):
        files: dict[str, str | bytes] = {
            f"bad/{number}/metadata.yml": file(SEED, number)
            for number in range(first, min(first + size, COUNT))
        }
        index = index_of({**files, **good})
        found = {placed.entity.key: placed.entity.path for placed in index.entities}
        entities = set(found.values())
        wrong = {one.path for one in index.diagnostics if one.severity is Severity.ERROR}
        lost = {path for path in files if path not in wrong and path[:-13] not in entities}

        assert ("documentations/good1", "comments/good2") == (found["GOOD1"], found["GOOD2"])
        assert set() == lost


def test_a_corpus_can_be_made_again() -> None:
    """A file depends on seed and number alone."""
    assert [file(1, number) for number in range(50)] == [file(1, number) for number in range(50)]
    assert file(1, 0) != file(2, 0)
