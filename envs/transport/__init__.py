"""Tools over HTTP: the same tools behind a local server, with faults where they are wanted."""
