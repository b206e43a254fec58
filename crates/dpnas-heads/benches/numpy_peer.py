#!/usr/bin/env python3
"""The peer of the closed-form heads: numpy's X.T @ X and class sums in double precision, and a solve.

    OPENBLAS_NUM_THREADS=2 python numpy_peer.py ROWS FEATURES

Prints the seconds of the sums, of the solution, and of leave-one-out for 21 λ by the eigenvectors of the products of FEATURES
rows with twice as many features. Rows come in chunks of 4,096, as an encoder gives them, and are
converted to double precision chunk by chunk, which is faster than a conversion of all rows at once.
"""
import sys
import time

import numpy as np

rows, features = int(sys.argv[1]), int(sys.argv[2])
x = np.maximum(np.random.default_rng(0).standard_normal((rows, features), dtype=np.float32), 0)
y = np.arange(rows) % 10
one_hot = np.eye(10)[y]
warm = x[:256].astype(np.float64)
warm.T @ warm

start = time.perf_counter()
gram, sums = np.zeros((features, features)), np.zeros((features, 10))
for i in range(0, rows, 4096):
    chunk = x[i : i + 4096].astype(np.float64)
    gram += chunk.T @ chunk
    sums += chunk.T @ one_hot[i : i + 4096]
summed = time.perf_counter()
mean = sums.sum(1) / rows
gram -= rows * np.outer(mean, mean)
sides = sums - np.outer(mean, one_hot.sum(0))
gram[np.diag_indices(features)] += 1.0
np.linalg.solve(gram, sides)
solved = time.perf_counter()

count = min(features, rows // 2)
x = x.reshape(-1)[: count * 2 * features].reshape(count, 2 * features)
begun = time.perf_counter()
x = x.astype(np.float64)
x -= x.mean(0)
values, vectors = np.linalg.eigh(x @ x.T)
targets = one_hot[:count] - one_hot[:count].mean(0)
sides, squares = vectors.T @ targets, vectors**2
best = np.inf
for step in range(21):
    penalty = values.sum() / (2 * features) * 10 ** (2 - 0.5 * step)
    part = 1 / (np.maximum(values, 0) + penalty)
    residuals = (vectors * part) @ sides
    rest = squares @ part - 1 / (count * penalty)
    best = min(best, ((residuals / rest[:, None]) ** 2).sum())
print(summed - start, solved - summed, time.perf_counter() - begun)
