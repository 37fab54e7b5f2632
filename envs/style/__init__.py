"""Style tasks: writing to a form that a programme can check."""
