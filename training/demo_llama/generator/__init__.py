"""Generates the text from which the demo model learns. `corpus.py` is the only caller."""
