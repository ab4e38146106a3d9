"""`python -m mapfold` is the command `mapfold`."""

from mapfold.cli.main import main

if __name__ == "__main__":
    main()
