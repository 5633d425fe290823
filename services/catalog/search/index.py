"""The search index (port `SearchIndex`): Tantivy, in memory.

It is derived from the store: built when the process starts, and brought up to date with what each
further revision changes. Old revisions stay in it, so that they can be searched too.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import tantivy

from services.catalog.ports import Finding, Question, Standing, Standings
from services.catalog.search.evaluation import Evaluation, Words
from services.catalog.search.schema import document, identifier, make_index

_WRITER_BYTES: Final = 64 * 1024 * 1024
_KNOWN_NUMBERS: Final = 10_000


class TantivyIndex:
    """The words of all revisions of one store.

    Args:
        standings: What there is to be found.
    """

    def __init__(self, standings: Standings) -> None:
        self._standings = standings
        self._index = make_index()
        self._searcher = self._index.searcher()
        self._words = Words(self._searcher)
        self._number = 0
        """Of the last revision that it knows."""
        self._numbers: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def find(self, question: Question, *, tree: str) -> Finding:
        """As the port says."""
        number = self._numbers.get(tree)
        if number is None:
            number = await self._standings.number(tree)
            if len(self._numbers) >= _KNOWN_NUMBERS:
                self._numbers.clear()
            self._numbers[tree] = number
        if number > self._number:
            await self.prepare()
        texts = question.filter.texts
        holding = await self._standings.holding(tree, texts) if texts else None
        evaluation = Evaluation(
            self._index.schema, self._searcher, self._words, number=number, holding=holding
        )
        return await asyncio.to_thread(evaluation.find, question)

    async def prepare(self) -> None:
        """As the port says."""
        async with self._lock:
            latest = await self._standings.latest()
            if latest <= self._number:
                return
            writer = self._index.writer(_WRITER_BYTES, 1)
            try:
                async for part in self._standings.since(self._number):
                    await asyncio.to_thread(self._write, writer, part)
                await asyncio.to_thread(writer.commit)
            finally:
                # Also after a failure: what was added without a commit is forgotten.
                await asyncio.to_thread(writer.wait_merging_threads)
            self._index.reload()
            self._searcher = self._index.searcher()
            self._words = Words(self._searcher)
            self._number = latest

    def _write(self, writer: tantivy.IndexWriter, part: Sequence[Standing]) -> None:
        for standing in part:
            if self._number:  # it may be in the index, standing until further notice
                writer.delete_documents_by_term("id", identifier(standing))
            writer.add_document(document(standing))
