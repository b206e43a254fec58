#!/usr/bin/env python3
"""The peer of the closed-form heads: numpy's X.T @ X and class sums in double precision, and a solve.

    OPENBLAS_NUM_THREADS=2 python numpy_peer.py ROWS FEATURES

Prints the seconds of the sums and of the solution. Rows come in chunks of 4,096, as an encoder gives them, and are
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
print(summed - start, time.perf_counter() - summed)
