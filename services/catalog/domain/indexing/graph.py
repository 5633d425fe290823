"""The entities of a revision and who refers to whom: as little of them as updates need."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.catalog.domain.entities import CHECKABLE, Entity, EntityType, Reference
from services.catalog.domain.environments import default_environment
from services.catalog.domain.indexing.suggestions import marks_of_key, marks_of_text
from services.catalog.domain.metadata.documents import REFERENCE_FIELDS
from services.catalog.domain.ontology.concepts import TAG_PREFIX

ENVIRONMENT_FIELD: Final = "compatible_environment"
PREDECESSOR_FIELDS: Final = frozenset({"predecessor_key"})


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose metadata can be read."""

    path: str
    tree: str
    blob: str
    """Its `metadata.yml`."""
    key: str
    type: EntityType
    title: str
    references: tuple[Reference, ...]
    tags: tuple[str, ...]
    """Those that name classes of the ontology."""
    environment: str
    """Key of the environment that it names, or empty."""

    @classmethod
    def of(cls, entity: Entity, *, blob: str) -> "Folder":
        """What is remembered of an entity."""
        named = entity.metadata.get(ENVIRONMENT_FIELD)
        return cls(
            path=entity.path,
            tree=entity.tree,
            blob=blob,
            key=entity.key,
            type=entity.type,
            title=entity.title,
            references=entity.references,
            tags=tuple(tag for tag in entity.tags if tag[: len(TAG_PREFIX)].lower() == TAG_PREFIX),
            environment=str(named) if named else "",
        )

    @property
    def checkable(self) -> bool:
        """Whether a check can run it."""
        return self.type in CHECKABLE

    @property
    def is_environment(self) -> bool:
        """Whether it specifies an environment."""
        return self.type is EntityType.ENVIRONMENT_SPECIFICATION


@dataclass(frozen=True, slots=True)
class Place:
    """Which content an entity has, and where its checks run."""

    path: str
    tree: str
    environment: str = ""
    environment_key: str = ""


class Graph:
    """The entities of a revision by key, and who refers to whom."""

    def __init__(self) -> None:
        self.entities: dict[str, Folder] = {}
        self.places: dict[str, Place] = {}
        self.environments: dict[str, Folder] = {}
        self.default: Folder | None = None
        """The environment of those that name none."""
        self._referrers: dict[str, set[str]] = {}
        """By the text of a reference, whether or not an entity has it for key."""
        self._titles: dict[str, set[str]] = {}
        self._loose: dict[str, tuple[str, ...]] = {}
        """Texts of an entity's references that lead nowhere."""
        self._misspelt: dict[str, set[str]] = {}
        """Entities by such texts."""
        self._marked: dict[str, set[str]] = {}
        """Such texts by their marks."""

    def put(self, key: str, folder: Folder | None) -> None:
        """Replaces the folder of a key; None removes it."""
        old = self.entities.pop(key, None)
        if old is not None:
            for reference in old.references:
                _discard(self._referrers, reference.key, key)
            _discard(self._titles, old.title, key)
            self.environments.pop(key, None)
        if folder is not None:
            self.entities[key] = folder
            for reference in folder.references:
                self._referrers.setdefault(reference.key, set()).add(key)
            self._titles.setdefault(folder.title, set()).add(key)
            if folder.is_environment:
                self.environments[key] = folder

    def choose_default(self) -> bool:
        """Finds out the default environment; True if another one, or under another name."""
        before, self.default = self.default, default_environment(self.environments)
        return _name(before) != _name(self.default)

    # References

    def titled(self, title: str) -> list[str]:
        """Keys of the entities that have a title."""
        return sorted(self._titles.get(title, ()))

    def referrers(self, key: str) -> Iterable[str]:
        """Keys of entities that name a key."""
        return self._referrers.get(key, ())

    def needed(self, key: str, fields: Collection[str]) -> list[str]:
        """Keys of the existing entities of right type that an entity names in some fields."""
        folder = self.entities.get(key)
        if folder is None:
            return []
        found = []
        for reference in folder.references:
            if reference.field in fields:
                other = self.entities.get(reference.key)
                if other is not None and REFERENCE_FIELDS[reference.field] in (None, other.type):
                    found.append(reference.key)
        return found

    # References that lead nowhere

    def set_loose(self, key: str, texts: Iterable[str]) -> None:
        """Replaces the texts of an entity's references that lead nowhere."""
        now = tuple(dict.fromkeys(texts))
        for text in self._loose.pop(key, ()):
            if _discard(self._misspelt, text, key):
                for mark in marks_of_text(text):
                    _discard(self._marked, mark, text)
        if now:
            self._loose[key] = now
        for text in now:
            keys = self._misspelt.setdefault(text, set())
            if not keys:
                for mark in marks_of_text(text):
                    self._marked.setdefault(mark, set()).add(text)
            keys.add(key)

    def misspelling(self, key: str, title: str) -> Iterator[str]:
        """Keys of entities that may have meant an entity with a reference that leads nowhere."""
        if not self._misspelt:
            return
        yield from self._misspelt.get(title, ())
        for mark in marks_of_key(key):
            for text in self._marked.get(mark, ()):
                yield from self._misspelt[text]

    def lost(self) -> Iterable[str]:
        """Keys of all entities that have a reference that leads nowhere."""
        return self._loose.keys()

    # Environments

    def without_environment(self) -> Iterator[str]:
        """Keys of the checkable entities that name no environment."""
        for key, folder in self.entities.items():
            if folder.checkable and not folder.environment:
                yield key

    def place_of(self, folder: Folder) -> Place:
        """Where the checks of an entity run, nowhere where that is not known."""
        found = self.default
        if not folder.checkable:
            found = None
        elif folder.environment:
            found = self.environments.get(folder.environment)
        if found is None:
            return Place(folder.path, folder.tree)
        return Place(folder.path, folder.tree, found.title, found.key)


def _name(folder: Folder | None) -> tuple[str, str] | None:
    return (folder.key, folder.title) if folder is not None else None


def _discard(sets: dict[str, set[str]], name: str, item: str) -> bool:
    """Takes an item out of a set; True if that was its last one, and the set is gone."""
    found = sets.get(name)
    if found is None:
        return False
    found.discard(item)
    if found:
        return False
    del sets[name]
    return True
