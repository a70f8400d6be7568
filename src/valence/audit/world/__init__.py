"""The shapes of the world's countries."""
