"""The root of the package's own exceptions.

Wrong arguments raise plain ``ValueError`` or ``TypeError``. What goes wrong in the world outside
the call (a damaged file, a full disk, a record of another configuration) raises a subclass of
:class:`CourseError`, whose message is one sentence: what was expected, what was found, and what
to do. The command line prints that sentence without a traceback.
"""

from __future__ import annotations

__all__ = ["CourseError"]


class CourseError(RuntimeError):
    """Something outside the call is not as it should be; the message says how to mend it."""
