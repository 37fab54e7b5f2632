"""Domain tasks: calculations that a trade asks for."""
