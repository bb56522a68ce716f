"""Helpers for "Many Tasks, One Face": what more than one chapter of the course needs.

Importing the package is cheap: nothing here loads torch or warp. Take what you need from the
modules, for example ``from mtl_helpers.papers.yin2018.model import PoseDirectedCNN``.
"""

__version__ = "0.1.0"
