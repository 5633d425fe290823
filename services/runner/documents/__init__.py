"""Documents of system models: what is set, from which sources, and how it comes to a PDF."""
