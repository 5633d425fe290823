"""The runner: takes jobs, owns environments, runs checks in them."""
