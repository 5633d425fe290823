"""The catalog over gRPC, as far as the scheduler asks it."""
