"""Yin & Liu (2018): multi-task CNN for pose-invariant face recognition."""
