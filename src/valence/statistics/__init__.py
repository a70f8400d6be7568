"""Statistics of what was measured: resampling, paired tests, corrections for many tests."""
