"""Images of environments: tried, put in use, taken back."""
