"""Which change broke an entity."""
