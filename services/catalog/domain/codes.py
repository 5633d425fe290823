"""Every code of a diagnostic: how bad it is, what it means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Severity(IntEnum):
    """How bad it is; the numbers are those of the protocol."""

    ERROR = 1
    """The entity, or a reference of it, cannot be used."""
    WARNING = 2
    """Works, but is not as it should be."""
    INFO = 3
    """Worth knowing."""


ERROR: Final = Severity.ERROR
WARNING: Final = Severity.WARNING
INFO: Final = Severity.INFO


@dataclass(frozen=True)
class Code:
    """What all diagnostics of one code have in common."""

    severity: Severity
    meaning: str
    remedy: str


_YAML: Final = {
    "yaml-syntax": Code(ERROR, "The file is no YAML.", "Correct it at the place named."),
    "yaml-not-utf8": Code(ERROR, "The file holds bytes that are no UTF-8.", "Save it in UTF-8."),
    "yaml-tag-refused": Code(
        ERROR, "A YAML tag, which could build objects.", "Write plain values, without tags."
    ),
    "yaml-too-large": Code(
        ERROR,
        "The file is too large, nested too deeply, or a bomb of aliases.",
        "Write plain values; put long text and data into files of their own.",
    ),
    "yaml-not-a-mapping": Code(
        ERROR, "The file holds no `field: value` lines.", "Write metadata as `key: ...`."
    ),
    "unindented-text": Code(
        INFO,
        "A quoted text goes on at the beginning of a line, which some YAML readers refuse.",
        "Indent the lines that follow the first one.",
    ),
    "control-character": Code(
        WARNING,
        "A text holds control characters, which databases and terminals cannot take; each is "
        "replaced by \N{REPLACEMENT CHARACTER}.",
        "Remove them.",
    ),
    "too-many-problems": Code(
        INFO, "Only the first problems of a file are told.", "Correct those first."
    ),
}
_FIELDS: Final = {
    "duplicate-field": Code(WARNING, "A field is written twice.", "Remove one of them."),
    "unknown-field": Code(
        INFO, "No entity has a field of this name.", "Nothing, if it is for your own use."
    ),
    "misspelled-field": Code(
        WARNING, "A field has nearly the name of one that is known.", "Correct its name."
    ),
    "foreign-field": Code(
        INFO, "Entities of this type do not have the field; it has no effect.", "Remove it."
    ),
    "empty-field": Code(INFO, "A field that readers look for is left empty.", "Fill it in."),
    "missing-key": Code(
        ERROR, "The entity has no key, so that it is left out.", "Add one; `ackrep key` makes it."
    ),
    "invalid-key": Code(
        ERROR, "The key is not 5 characters of A-Z and 0-9.", "Correct it, or make a new one."
    ),
    "missing-type": Code(ERROR, "The entity has no type, so that it is left out.", "Add `type:`."),
    "unknown-type": Code(ERROR, "There is no such type of entity.", "Use one of those named."),
    "missing-name": Code(ERROR, "The entity has no title; its key stands for it.", "Add `name:`."),
    "wrong-field-type": Code(
        WARNING, "A list stands where one text is wanted, or the other way round.", "Correct it."
    ),
    "too-long": Code(
        WARNING, "A text or list is longer than anybody would read.", "Put it into a file."
    ),
    "not-a-date": Code(WARNING, "The date cannot be understood.", "Write YYYY-MM-DD."),
    "not-a-duration": Code(
        WARNING, "The duration cannot be understood.", "Write 10s, 2min, 1h or hh:mm:ss."
    ),
    "odd-version": Code(INFO, "The version does not look like one.", "Write numbers with dots."),
    "unmatched-bracket": Code(
        INFO, "An address is opened with `<` and not closed.", "Write `Name <address>`."
    ),
    "date-in-references": Code(
        INFO, "external_references holds nothing but a date.", "Write it into creation_date."
    ),
}
_RELATIONS: Final = {
    "duplicate-key": Code(
        ERROR, "Two entities have one key; the first path is used.", "Give one a new key."
    ),
    "dangling-reference": Code(
        ERROR, "No entity has the key that is referred to.", "Correct it, or remove it."
    ),
    "wrong-reference-type": Code(
        ERROR, "The entity referred to is of another type than it must be.", "Name a right one."
    ),
    "reference-cycle": Code(
        WARNING, "Entities refer to each other in a circle.", "Remove one of the references."
    ),
    "unknown-environment": Code(
        ERROR, "No environment specification has that key.", "Name one that exists."
    ),
    "no-environment": Code(
        WARNING,
        "The entity names no environment, and the repository has no default one.",
        "Name one, or add an environment specification named default_environment.",
    ),
    "invalid-environment-name": Code(
        ERROR,
        "The name of an environment cannot be that of a container image.",
        "Write lower-case words joined by `_` that end in `_environment`.",
    ),
    "missing-dockerfile": Code(
        WARNING,
        "The repository has Dockerfiles, and none of them for this environment.",
        "Add `Dockerfile_<name>` beside the others.",
    ),
}
_FOLDERS: Final = {
    "missing-file": Code(
        ERROR,
        "A file that the entity needs, or names, is not there.",
        "Add it, or correct its name.",
    ),
    "misnamed-metadata": Code(
        WARNING, "A file is named nearly as metadata.yml, and makes no entity.", "Rename it."
    ),
    "missing-content": Code(
        ERROR, "The source lacks the content of a file.", "Fetch the whole repository."
    ),
    "metadata-not-a-file": Code(
        ERROR, "metadata.yml is a link; it is not followed.", "Put a real file in its place."
    ),
    "entity-at-root": Code(
        WARNING, "metadata.yml at the root makes no entity.", "Move it into a folder of its own."
    ),
    "misplaced-entity": Code(
        WARNING, "The entity lies in the folder of another type.", "Move it, or correct its type."
    ),
    "nested-entity": Code(
        WARNING,
        "The entity lies within the folder of another one, which changes whenever it does.",
        "Move it out.",
    ),
    "odd-name": Code(
        WARNING, "A name holds bytes that are no UTF-8; checks do not see the file.", "Rename it."
    ),
    "odd-entity-path": Code(
        ERROR, "The path of an entity's folder is no UTF-8, or too long.", "Rename the folder."
    ),
    "case-clash": Code(
        WARNING,
        "Two names differ only in case or in how accents are written; on Windows and macOS "
        "there can be only one of them.",
        "Rename one of them.",
    ),
    "unportable-name": Code(INFO, "Windows cannot have a file of this name.", "Rename it."),
    "symlink": Code(INFO, "A link within the repository.", "Nothing, if it stays in its entity."),
    "symlink-outside": Code(
        WARNING, "A link out of the repository; nothing follows it.", "Put a copy in its place."
    ),
    "submodule-ignored": Code(
        WARNING, "Submodules are not fetched.", "Commit their files into the repository."
    ),
    "unreadable-file": Code(
        WARNING, "A file cannot be read, and is left out.", "Make it readable, or ignore it."
    ),
}
_ONTOLOGY: Final = {
    "unknown-tag": Code(WARNING, "The ontology has no class for the tag.", "Correct the tag."),
    "ontology-structure": Code(
        ERROR, "A statement of the ontology has not the form it must have.", "Correct it."
    ),
    "ontology-namespace": Code(
        WARNING, "The ontology has no namespace, several, or a bad one.", "Begin with one `- iri:`."
    ),
    "ontology-bad-name": Code(
        ERROR, "A name that cannot stand in an IRI; it is left out.", "Use letters, digits and `_`."
    ),
    "ontology-duplicate-class": Code(WARNING, "A class is declared twice.", "Declare it once."),
    "ontology-unknown-superclass": Code(
        ERROR, "A superclass that no file declares.", "Declare it, or correct its name."
    ),
    "ontology-unknown-name": Code(
        WARNING, "A name that nothing has; it is left out.", "Declare it, or correct it."
    ),
    "ontology-cycle": Code(
        ERROR, "Classes are subclasses of each other in a circle.", "Remove one superclass."
    ),
    "ontology-too-large": Code(
        ERROR, "The ontology has too many classes, or one of them too many above it.", "Cut it."
    ),
    "ontology-unknown-statement": Code(
        INFO, "A statement without effect here.", "Nothing, unless its name is misspelt."
    ),
}
CODES: Final[Mapping[str, Code]] = {**_YAML, **_FIELDS, **_RELATIONS, **_FOLDERS, **_ONTOLOGY}
"""Every code, in the order in which the documentation tells of them."""
