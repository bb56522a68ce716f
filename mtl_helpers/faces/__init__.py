"""Rendered faces: the head model, its factors, the renderer and the corpus."""
