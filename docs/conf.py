"""Sphinx configuration of the documentation; pages are MyST Markdown."""

from __future__ import annotations

project = "Serai"
author = "The Serai authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]
