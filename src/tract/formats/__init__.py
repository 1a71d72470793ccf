"""Turns messages into each provider's JSON and back: one file per format, with rules, repairs and losses."""
