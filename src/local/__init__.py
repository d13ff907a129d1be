"""The local workspace: one loopback server that speaks the Azure ML REST API to the unmodified SDK."""
