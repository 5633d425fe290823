"""Copies of all that the scheduler keeps: made while it works, proved, and brought back.

A copy is one tar file: a manifest with the digest of everything, the database as an SQLite file
whatever the engine is, and each artefact that the database refers to.
"""
