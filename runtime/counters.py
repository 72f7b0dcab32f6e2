"""What this process has done so far: `executables` compiled by XLA, programs found in the
cache (`cache_hits`), and graphs run by NumPy (`numpy_runs`).

Anyone may read these; only `runtime` adds to them.
"""

executables = 0
cache_hits = 0
numpy_runs = 0


def reset() -> None:
    global executables, cache_hits, numpy_runs
    executables = cache_hits = numpy_runs = 0
