"""Random programs on PyTorch and on thrace, held against each other: `python -m tests.fuzz`.

In reading order: `program` (what a program is), `generate` and `forms_*` (drawing one, with
PyTorch as the guide), `run` (running it), `interpreted` (compiled without XLA), `compare`,
`exclusions` (differences that are meant), `shrink`, `planted` (faults the run must find).
"""
