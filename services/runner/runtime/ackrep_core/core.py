"""Reading metadata."""

from __future__ import annotations

import copy
from typing import Any, Dict

from ackrep_core import context


def get_metadata_from_file(path: str) -> Dict[str, Any]:
    """What the metadata.yml at this path says.

    Within a check the answer was parsed before, so that an environment needs no YAML parser;
    elsewhere PyYAML reads the file. Raises OSError when there is no such file.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read()
    known = context.current()
    if known is not None:
        relative = known.relative(path)
        if relative in known.metadata:
            return copy.deepcopy(known.metadata[relative])
    try:
        import yaml
    except ImportError:
        raise ImportError("reading %s needs PyYAML, which is not installed" % path) from None
    return yaml.safe_load(text)
