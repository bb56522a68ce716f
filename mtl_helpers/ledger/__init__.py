"""Claims, statistics and verdicts."""
