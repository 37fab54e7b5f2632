"""API tools: worlds behind typed functions, judged by calls, final state and what was said."""
