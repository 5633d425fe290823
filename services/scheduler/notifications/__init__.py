"""Verdict changes, and webhooks that are told of them."""
