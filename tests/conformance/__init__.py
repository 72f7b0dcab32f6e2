"""PyTorch's OpInfo database run against thrace: `python -m tests.conformance --help`."""
