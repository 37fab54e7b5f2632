"""Searching a corpus: `postgym/Search-v0` and `postgym/MissingInfo-v0`."""
