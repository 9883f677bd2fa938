"""Checks: what a sweep's numbers are worth: held-out scores, nulls, controls, planted truth."""
