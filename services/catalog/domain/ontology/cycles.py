"""Makes a hierarchy one in which nothing is above itself."""

from collections.abc import Iterator


def cut_cycles(parents: dict[str, dict[str, None]]) -> Iterator[list[str]]:
    """Removes each parent that closes a cycle; depth first, in the order of names.

    Args:
        parents: Names of the parents of each name; all of them are names too. Is changed.

    Yields:
        Each cycle: names from child to parent, the last one the same as the first one.
    """
    done: set[str] = set()
    for start in parents:
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(start, True)]
        while stack:  # not recursive: a hierarchy may be deeper than the stack of Python
            name, entering = stack.pop()
            if not entering:
                path.pop()
                on_path.discard(name)
                done.add(name)
                continue
            if name in done:
                continue
            path.append(name)
            on_path.add(name)
            stack.append((name, False))
            for parent in list(parents[name]):
                if parent in on_path:
                    del parents[name][parent]
                    yield [*path[path.index(parent) :], parent]
                elif parent not in done:
                    stack.append((parent, True))
