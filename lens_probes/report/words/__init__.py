"""A sweep in words: its answer in plain sentences, and what its controls say."""
