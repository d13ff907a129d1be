"""The studio: one page on which people watch the workspace and act, in an origin of its own."""
