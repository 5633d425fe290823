"""`python -m cli` is `ackrep`."""

from cli.main import main

main()
