"""The commands, one module each, or one for a few small ones of a kind."""
