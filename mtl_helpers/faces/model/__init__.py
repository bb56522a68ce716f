"""The head: shape, identity, expression, landmarks."""
