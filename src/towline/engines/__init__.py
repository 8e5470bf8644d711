"""Where a package runs: rooms that satisfy the Engine port, one per kind of engine."""
