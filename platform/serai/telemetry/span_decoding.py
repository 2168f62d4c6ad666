"""A body in either encoding of OTLP -> its spans, sorted."""

from __future__ import annotations

from .span_columns import ColumnSorter
from .span_facts import FactTable
from .span_groups import Sorter
from .span_json import read_json
from .span_wire import WireLookup, read_wire


def sort_spans(body: bytes, is_json: bool) -> Sorter:
    """Return the spans of an ExportTraceServiceRequest. Raise Malformed or TooManySpans."""
    table = FactTable()
    sorter = Sorter(table)
    if is_json:
        for pairs, spans in read_json(body):
            sorter.add(pairs, spans, lambda pair: table.note(*pair))
    else:
        columns = ColumnSorter(sorter, WireLookup(table))
        for scope in read_wire(body):
            columns.add(scope)
    return sorter
