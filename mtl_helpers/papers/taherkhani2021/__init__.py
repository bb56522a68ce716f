"""Taherkhani et al. (2021): tasks structure regularization for facial attribute prediction."""
