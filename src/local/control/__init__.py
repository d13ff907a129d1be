"""The control plane: HTTP, the table of operations, faults on request, and all of it put together."""
