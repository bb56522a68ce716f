"""The experiments on Ming, Burie & Luqman (2021)."""
