"""What a sweep's numbers are worth: held-out scores, nulls, controls, confounds, planted truth."""
