"""The published bias suites, one a file. None of them ships with the package."""
