#!/usr/bin/env python3
"""The linear classifier as a careful PyTorch user trains it, in turns with ours.

    cargo build --release -p dpnas-train --example probe_bench
    python3 crates/dpnas-train/benches/peer.py

For each feature count it runs this program's loop and `probe_bench` alternately, --rounds times, on the same number of
threads, and prints the medians and their ratio (above 1: ours is faster), then the geometric mean. The rows are resident
in memory, mini-batches are gathered by index, gradients are freed instead of zeroed, and glibc keeps its memory.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROWS, CLASSES, EPOCHS, BATCH = 4096, 10, 10, 128
# Features of eight architectures of the default space that a CPU can score.
FEATURES = [12800, 3136, 6400, 3200, 12544, 2304, 25088, 256]
OURS = pathlib.Path(__file__).parents[3] / "target/release/examples/probe_bench"


def peer(features, threads):
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(threads)
    rows = torch.rand(ROWS, features)
    labels = torch.randint(0, CLASSES, (ROWS,))
    start = time.perf_counter()
    layer = torch.nn.Linear(features, CLASSES, bias=False)
    adam = torch.optim.Adam(layer.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(ROWS).split(BATCH):
            loss = cross_entropy(layer(rows[batch]), labels[batch])
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
    return time.perf_counter() - start


def ours(features, threads):
    numbers = [ROWS, CLASSES, EPOCHS, threads, 1, features]
    output = subprocess.run([str(OURS), *map(str, numbers)], check=True, capture_output=True, text=True).stdout
    return json.loads(output)["probe_s"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    options = arguments.parse_args()
    ratios = []
    print("features   peer s   ours s   ratio")
    for features in FEATURES:
        peer(features, options.threads)  # warm-up
        pairs = [(peer(features, options.threads), ours(features, options.threads)) for _ in range(options.rounds)]
        theirs, mine = (statistics.median(column) for column in zip(*pairs))
        ratios.append(statistics.median(a / b for a, b in pairs))
        print(f"{features:8} {theirs:8.3f} {mine:8.3f} {ratios[-1]:7.2f}", flush=True)
    print(f"geometric mean {math.prod(ratios) ** (1 / len(ratios)):.2f}, worst {min(ratios):.2f}")


if __name__ == "__main__":
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        os.environ.update(MALLOC_TRIM_THRESHOLD_="8589934592", MALLOC_MMAP_THRESHOLD_="8589934592")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    main()
