"""Indexing revisions, and keeping what was indexed."""
