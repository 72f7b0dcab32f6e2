"""`thrace.version`: which version this is."""

__version__ = "0.1.0"
cuda = hip = git_version = None

__all__ = ["__version__", "cuda", "git_version", "hip"]
