"""What was: groups of failures, comparisons of runs, the 2022 format of results."""
