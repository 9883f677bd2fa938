"""Texts: documents with a source, from speeches, files, books or data sets."""
