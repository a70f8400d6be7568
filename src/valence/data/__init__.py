"""Tables on disk or on the hub, read as texts with labels."""
