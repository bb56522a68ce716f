"""The experiments of Taherkhani et al. (2021)."""
