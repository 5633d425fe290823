"""What a check is and how its state may change. Pure: standard library and `services.errors`."""
