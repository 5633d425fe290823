"""The catalog: what is in a data repository, at which revision, and what is wrong with it."""
