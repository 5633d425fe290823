"""Where a data repository is read from, and how its changes are noticed."""
