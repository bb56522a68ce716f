"""The experiments of Yin & Liu (2018)."""
