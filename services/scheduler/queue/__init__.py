"""The queue: what wakes the loops, what JetStream carries, what holds it up."""
