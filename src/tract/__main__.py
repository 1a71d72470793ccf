"""Runs the command line as `python -m tract`."""

from tract.cli.main import main

if __name__ == "__main__":
    main()
