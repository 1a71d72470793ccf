"""What can be done to a tract: one verb per file, each one write through the gate."""
