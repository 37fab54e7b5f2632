"""Reasoning: puzzles whose answers are judged by carrying them out, and reasoning-gym's behind the same contract."""
