"""Talks to models: conversation, tools, the loop that runs them, and which model each operation asks."""
