"""Measurements: each number beside its alternative, in one run, reported as a ratio.

`make bench` runs all of them against a system of its own on a generated data repository. Absolute
times depend on the machine and on what else it does; ratios within one run are what to trust.
"""
