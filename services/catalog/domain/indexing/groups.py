"""Paths that have something in common, while an update changes them."""


class Groups:
    """Paths by what they have in common; changes are collected, and applied at once."""

    def __init__(self, paths: dict[str, tuple[str, ...]]) -> None:
        self.paths = paths
        """In order, by what they have in common."""
        self._left: dict[str, set[str]] = {}
        self._came: dict[str, set[str]] = {}

    def leave(self, name: str, path: str) -> None:
        """Takes a path out."""
        self._left.setdefault(name, set()).add(path)

    def come(self, name: str, path: str) -> None:
        """Puts a path in, also after it left."""
        self._came.setdefault(name, set()).add(path)

    @property
    def changed(self) -> set[str]:
        """Names of the groups that something happened to."""
        return self._left.keys() | self._came.keys()

    def settle(self) -> None:
        """Applies all at once: a group may be large."""
        for name in self.changed:
            paths = set(self.paths.pop(name, ())) - self._left.get(name, set())
            paths |= self._came.get(name, set())
            if paths:
                self.paths[name] = tuple(sorted(paths))
