"""The gateway: HTTP/JSON, server-sent events and pages over the three gRPC services."""
