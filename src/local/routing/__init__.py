"""The scoring front: one request to one deployment and back, counted."""
