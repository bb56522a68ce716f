"""Figures and widgets that no paper owns."""
