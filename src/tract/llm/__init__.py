"""Asks models: clients for the providers' APIs, retry, fallback and cache."""
