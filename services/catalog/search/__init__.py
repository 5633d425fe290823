"""Finding entities by words."""
