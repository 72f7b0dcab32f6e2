"""Mixed precision: `thrace.amp`. Files in reading order: policies, autocast, grad_scaler,
selected, by_device."""
