"""Drawing: figures, tables, numbers and pages from plain values; knows no result."""
