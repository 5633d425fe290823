"""What is injected into environments: the harness and `ackrep_core`. Python 3.8+, stdlib only."""
