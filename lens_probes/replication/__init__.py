"""Replication: what a sweep found, looked for in new sentences, words, passages or texts."""
