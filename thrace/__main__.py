"""`python -m thrace`: the command line."""

from thrace.tools.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
