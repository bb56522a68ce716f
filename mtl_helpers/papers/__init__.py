"""One folder for each paper."""
