"""What is written and read back: whole or not at all, checked by digest, one run at a time."""
