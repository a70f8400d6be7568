"""python -m valence."""

from valence.cli import main

if __name__ == "__main__":
    main()
