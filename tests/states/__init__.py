"""States a Python program can be in, one row each: what a compiled function does in them.

`rows` says what a row is and runs it; the tables are `values`, `objects`, `functions`,
`modules`, `arguments`, `modes`, `aliasing` and `escapes`; `mutants` disables guards and rules
one at a time. `python -m tests.states` says which rows see which mutant.
"""
