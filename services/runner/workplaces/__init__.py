"""Where checks run: containers or processes with a harness in them, kept warm in a pool."""
