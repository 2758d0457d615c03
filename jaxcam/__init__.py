"""Class activation mapping in pure JAX/Flax."""
