"""The verbs of a tract as tools for a model: what each profile may, what a call does, and what the model reads."""
