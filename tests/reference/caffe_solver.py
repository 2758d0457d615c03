"""Caffe's SGD solver, in plain NumPy: what `src/caffe/solvers/sgd_solver.cpp` does to one blob after another."""

import numpy as np


def steps_rate(iteration, *, base, gamma, size):
    """The learning rate of the policy "step"."""
    return base * gamma ** (iteration // size)


def solve(weights, gradients_of, *, iterations, rate_of, momentum, decay, bias_rate, clip=0.0):
    """The weights after some iterations.

    Args:
        weights: name -> array; those whose name ends in "kernel" decay, and those in "bias" have a rate of their own.
        gradients_of: (iteration, weights) -> name -> array.
        iterations: how many.
        rate_of: iteration -> learning rate.
        momentum, decay: of the solver.
        bias_rate: lr_mult of the biases.
        clip: clip_gradients; 0 for none.
    """
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    history = {name: np.zeros_like(value) for name, value in weights.items()}
    for iteration in range(iterations):
        gradients = gradients_of(iteration, weights)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
        if clip and norm > clip:
            gradients = {name: gradient * clip / norm for name, gradient in gradients.items()}
        for name, value in weights.items():
            local_rate = rate_of(iteration) * (bias_rate if name.endswith("bias") else 1.0)
            local_decay = decay if name.endswith("kernel") else 0.0
            regularized = gradients[name] + local_decay * value
            history[name] = local_rate * regularized + momentum * history[name]
            weights[name] = value - history[name]
    return weights
