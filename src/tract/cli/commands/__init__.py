"""The commands, one file each.

A file here is a command: `tract NAME` runs `command` of `NAME.py` (or of `NAME_.py`, where NAME is a
word of Python's own). Adding the file is all it takes.
"""
