"""The rendered corpora."""
