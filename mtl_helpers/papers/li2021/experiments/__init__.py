"""The experiments of paper 3, Li, Wang & Zhang (2021)."""
