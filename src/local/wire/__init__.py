"""What every call has to do with: its shape, who may make it, where the workspace is, operations that go on."""
