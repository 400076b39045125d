"""``python -m ffr``: the same as the command ``ffr``."""

from ffr.cli.main import main

if __name__ == "__main__":
    main()
