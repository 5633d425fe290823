"""An index as an update of the one before: what a change can touch, and what is wrong."""
