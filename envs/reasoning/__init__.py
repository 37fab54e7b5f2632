"""Reasoning: puzzles whose answers are judged by carrying them out."""
