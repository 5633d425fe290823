"""The ontology, and SPARQL over it."""
