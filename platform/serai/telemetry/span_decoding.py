"""A body in either encoding of OTLP -> its spans, sorted."""

from __future__ import annotations

from .span_columns import ColumnSorter
from .span_facts import FactTable
from .span_groups import Sorter
from .span_json import read_json
from .span_shapes import Shapes
from .span_wire import WireLookup, read_wire

_SHAPES = Shapes()


def sort_spans(body: bytes, is_json: bool, shapes: Shapes = _SHAPES) -> Sorter:
    """Return the spans of an ExportTraceServiceRequest. Raise Malformed or TooManySpans.

    What `shapes` remembers of earlier batches decides how long it takes, and nothing else.
    """
    table = FactTable()
    sorter = Sorter(table)
    if is_json:
        for pairs, spans in read_json(body):
            sorter.add(pairs, spans, lambda pair: table.note(*pair))
    else:
        columns = ColumnSorter(sorter, WireLookup(table), shapes)
        for scope in read_wire(body):
            columns.add(scope)
    return sorter
