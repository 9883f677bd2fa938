"""Activations: examples through the model, here or by workers, to arrays [example, unit]."""
