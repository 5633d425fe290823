"""gRPC messages to the catalog's words and back; decides nothing. One module per gRPC service."""
