"""Experiments, their stored runs, and sweeps over them."""
