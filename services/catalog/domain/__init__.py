"""What the catalog knows, as plain values and pure functions: no git, no YAML, no SQL."""
