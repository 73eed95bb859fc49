"""`python -m cli`: the `lookalike` command without its console script."""

from cli.main import main

main()
