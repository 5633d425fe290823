"""Words, queries and snippets."""
