"""Function transforms: `thrace.func`. Files in reading order: levels, batching, vmap,
derivatives, modules, forward_mode."""
