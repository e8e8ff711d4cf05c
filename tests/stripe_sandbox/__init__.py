"""The sandbox, driven by the unmodified SDK and by plain HTTP."""
