"""What happens when something fails, at full size: `make faults` runs it, `make test` a slice."""
