"""What was measured, as types: one for each kind of report, how they are read, written and printed."""
