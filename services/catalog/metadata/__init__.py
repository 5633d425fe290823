"""Parsing `metadata.yml`: a quick way for the common form, a careful one for all the rest."""
