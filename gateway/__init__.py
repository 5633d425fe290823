"""The gateway: HTTP, pages and live streams, translated from and to gRPC."""
