"""Results: tables and provenance of a sweep, saved, loaded and verified."""
