"""The probes, one a file."""
