"""Examples of the API's document: given by hand, here and nowhere else.

Their keys and names are those of the demo data repository (`examples/demo_data`), so that what the
page `/api` offers to try answers there.
"""

from collections.abc import Mapping
from typing import Any

PATHS: Mapping[str, str] = {
    "entity": "LRNZ4",
    "revision": "current",
    "environment": "demo_environment",
    "path": "system_model.py",
}
"""Value of a part of the path, by its name."""

QUERIES: Mapping[str, Mapping[str, Any]] = {
    "ListEntities": {"pageSize": 5, "filter": "type = system_model"},
    "SearchEntities": {"query": "pendulum", "pageSize": 5},
    "ListDiagnostics": {"pageSize": 10},
    "ListConcepts": {"pageSize": 10},
    "ListRevisions": {"pageSize": 5},
    "ListChecks": {"pageSize": 5},
    "ListRuns": {"pageSize": 5},
    "QueryOntology": {"query": "SELECT ?c WHERE { ?c rdfs:subClassOf ?d } LIMIT 5"},
    "DownloadArchive": {"format": "FORMAT_ZIP"},
}
"""Values of query parameters, by the rpc."""

BODIES: Mapping[str, Mapping[str, Any]] = {
    "CreateCheck": {"entity": "entities/LRNZ4", "requestId": "a-name-of-yours-1"},
    "CreateRun": {"entities": ["entities/LRNZ4"], "title": "a first try"},
    "IndexRevision": {"ref": "main"},
    "QueryOntology": {"query": "SELECT ?c WHERE { ?c rdfs:subClassOf ?d } LIMIT 5"},
    "PauseQueue": {"environment": "environments/demo_environment", "reason": "image is rebuilt"},
    "ResumeQueue": {"environment": "environments/demo_environment"},
    "CreateTrial": {"environment": "environments/demo_environment"},
}
"""Bodies, by the rpc."""

ERROR: Mapping[str, Any] = {
    "error": {
        "code": 404,
        "status": "NOT_FOUND",
        "message": "there is no entity LRNZ5; similar: LRNZ4",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RESOURCE_NOT_FOUND",
                "domain": "ackrep.dev",
                "metadata": {"key": "LRNZ5", "similar": "LRNZ4"},
            }
        ],
    }
}
"""An error, as every route writes it."""
