"""How many faults were made: printed at the end of a test run."""

counts: dict[str, int] = {}
