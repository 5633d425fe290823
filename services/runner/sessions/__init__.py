"""Sessions with a harness: what is sent to it, what it says, and the code that is injected."""
