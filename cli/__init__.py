"""The `ackrep` command."""
