"""The `lookalike` command: what a person types."""
