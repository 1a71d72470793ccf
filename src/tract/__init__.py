"""Version control for LLM context: commit, compile, branch, merge, undo."""
