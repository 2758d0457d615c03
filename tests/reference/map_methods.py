"""Map methods in NumPy, float64, of one image and one label: features A and gradients G (*cells, k) to a map."""

import numpy as np


def relu(x):
    return np.maximum(x, 0)


def rows_of(cells):
    """(cells, k), a row a cell."""
    return np.asarray(cells, np.float64).reshape(-1, cells.shape[-1])


def weighed(cells, weights):
    return sum(weights[k] * np.asarray(cells[..., k], np.float64) for k in range(len(weights)))


def grad_cam(cells, gradients):
    return weighed(cells, rows_of(gradients).mean(axis=0))


def grad_cam_plus_plus(cells, gradients, *, epsilon=0.0):
    """By the derivatives of exp(S), cell by cell; `epsilon` is added to denominators."""
    return smooth_grad_cam_plus_plus(cells, [gradients], epsilon=epsilon)


def smooth_grad_cam_plus_plus(cells, gradients_of_copies, *, epsilon=0.0):
    copies = np.array([rows_of(gradients) for gradients in gradients_of_copies])
    first, second, third = copies.mean(axis=0), (copies**2).mean(axis=0), (copies**3).mean(axis=0)
    totals = rows_of(cells).sum(axis=0)
    weights = np.zeros(len(totals))
    for k, total in enumerate(totals):
        for p in range(len(first)):
            below = 2 * second[p, k] + third[p, k] * total + epsilon
            if second[p, k] > 0 and below != 0:
                weights[k] += second[p, k] / below * relu(first[p, k])
    return weighed(cells, weights)


def xgrad_cam(cells, gradients):
    a, g = rows_of(cells), rows_of(gradients)
    totals = a.sum(axis=0)
    weights = [0 if total == 0 else (a[:, k] / total * g[:, k]).sum() for k, total in enumerate(totals)]
    return weighed(cells, weights)


def layer_cam(cells, gradients):
    return (relu(np.asarray(gradients, np.float64)) * cells).sum(axis=-1)


def hires_cam(cells, gradients):
    return (np.asarray(gradients, np.float64) * cells).sum(axis=-1)


def grad_cam_elementwise(cells, gradients):
    return relu(np.asarray(gradients, np.float64) * cells).sum(axis=-1)


def eigen_cam(cells, *, centred=False):
    """By NumPy's own singular vectors."""
    rows = rows_of(cells)
    if centred:
        rows = rows - rows.mean(axis=0)
    projected = rows @ np.linalg.svd(rows)[2][0]
    negative = -projected.min() > projected.max() if centred else projected.sum() < 0
    return (-projected if negative else projected).reshape(cells.shape[:-1])


def eigen_grad_cam(cells, gradients, *, centred=True):
    return eigen_cam(np.asarray(gradients, np.float64) * cells, centred=centred)


KERNELS = {
    "linear": lambda x, y, gamma, degree, constant: x @ y,
    "poly": lambda x, y, gamma, degree, constant: (gamma * (x @ y) + constant) ** degree,
    "rbf": lambda x, y, gamma, degree, constant: np.exp(-gamma * ((x - y) ** 2).sum()),
    "sigmoid": lambda x, y, gamma, degree, constant: np.tanh(gamma * (x @ y) + constant),
    "cosine": lambda x, y, gamma, degree, constant: x @ y / np.sqrt((x @ x) * (y @ y)),
}


def kpca_cam(cells, *, kernel="sigmoid", gamma=None, degree=3, constant=1.0):
    rows = rows_of(cells)
    rows = rows - rows.mean(axis=0)
    gamma = 1 / rows.shape[1] if gamma is None else gamma
    pairs = np.array([[KERNELS[kernel](x, y, gamma, degree, constant) for y in rows] for x in rows])
    centring = np.eye(len(rows)) - 1 / len(rows)
    values, vectors = np.linalg.eigh(centring @ pairs @ centring)
    projected = np.sqrt(values[-1]) * vectors[:, -1]
    return projected.reshape(cells.shape[:-1]) * np.sign(projected[np.abs(projected).argmax()])


def fem(cells, *, num_stds=2.0):
    total = np.zeros(cells.shape[:-1])
    for k in range(cells.shape[-1]):
        channel = np.asarray(cells[..., k], np.float64)
        total += channel.mean() * (channel >= channel.mean() + num_stds * channel.std())
    return total
