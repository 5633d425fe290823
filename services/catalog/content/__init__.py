"""Files and archives of entities, and trees from far clients."""
