"""The command line: parses, calls the public API once, renders. Nothing else imports it."""
