"""What the runner decides by itself, as plain values and pure functions. No input or output."""
