"""Loaded models: the only room that knows TransformerLens."""
