"""The demo: the whole story of docs/flow.md on the local workspace, under load, with two bad releases at the end."""
