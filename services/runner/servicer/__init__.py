"""The gRPC services of the runner: messages in, use cases, messages out."""
