"""What a workspace lists: its assets, its datastores and computes, and where their files lie."""
