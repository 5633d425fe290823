"""The scheduler: what runs when, and every result there ever was."""
