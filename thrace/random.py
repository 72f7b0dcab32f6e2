"""`thrace.random`: seeds and states of the default generators."""

from thrace.tracer.api.random import get_rng_state, initial_seed, seed, set_rng_state
from thrace.tracer.random import default_generator, fork_rng, manual_seed

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]
