"""Plotly's browser library as its Python package ships it: sent from there, never copied, never from elsewhere."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import re
from functools import cached_property
from pathlib import Path

import flask
from flask import Blueprint, Response

_FOREVER_S = 365 * 86400
# The library brings styles for maps along, which a page without inline styles must refuse; it leaves them out where an
# element of this id exists already.
_MAP_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


class ChartLibrary:
    """The file is read when it is first asked for, and kept compressed: 1.5 MB instead of 4.8."""

    def register(self, ui: Blueprint) -> None:
        ui.get("/assets/charts/<version>.js", endpoint="chart_library")(self.send)

    @property
    def address(self) -> str:
        return f"/assets/charts/{importlib.metadata.version('plotly')}.js"

    @cached_property
    def map_style(self) -> str:
        """The id of the element that keeps the library from adding styles of its own; "" where it has none."""
        found = _MAP_STYLE.search(self._path.read_bytes())
        return found[1].decode() if found else ""

    def send(self, version: str) -> Response:
        if flask.request.accept_encodings.quality("gzip") > 0:
            response = Response(self._packed, content_type="text/javascript; charset=utf-8")
            response.content_encoding = "gzip"
        else:
            response = Response(self._path.read_bytes(), content_type="text/javascript; charset=utf-8")
        response.vary.add("Accept-Encoding")
        response.cache_control.max_age = _FOREVER_S
        response.cache_control.immutable = True
        return response

    @cached_property
    def _packed(self) -> bytes:
        return gzip.compress(self._path.read_bytes(), 6, mtime=0)

    @cached_property
    def _path(self) -> Path:
        # Found without importing it: the package's Python side takes half a second and is of no use here.
        spec = importlib.util.find_spec("plotly")
        if spec is None or spec.origin is None:
            raise RuntimeError("the package plotly is not installed")  # setup.cfg requires it
        return Path(spec.origin).parent / "package_data" / "plotly.min.js"
