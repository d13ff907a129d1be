"""What is kept: documents in SQLite, and the bytes of blobs."""
