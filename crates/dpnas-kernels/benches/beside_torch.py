#!/usr/bin/env python3
"""Runs the encoders of this crate and those of PyTorch in turns, and prints a table of images a second.

    cargo build --release -p dpnas-kernels --example kernel_bench
    python3 crates/dpnas-kernels/benches/beside_torch.py --rounds 2

Needs PyTorch. The two are alternated net by net; each figure is the best of its rounds, because what else a machine does
only ever slows a run down. The last line is the geometric mean and the worst ratio: above 1, ours is faster.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", default=ROOT / "target/release/examples/kernel_bench")
    parser.add_argument("--nets", default=HERE / "nets-cpu.txt", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    args = parser.parse_args()
    nets = [line.strip() for line in args.nets.read_text().splitlines() if line.strip() and not line.startswith("#")]
    ratios = []
    print("| net | PyTorch images/s | ours images/s | ratio |\n|---|---:|---:|---:|")
    for net in nets:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(net + "\n")
            file.flush()
            peer = [sys.executable, str(HERE / "torch_peer.py"), "--nets", file.name, "--images", str(args.images),
                    "--epochs", "1", "--dtype", args.precision, "--threads", str(args.threads)]
            ours = [str(args.bench), file.name, f"images={args.images}", f"precision={args.precision}",
                    f"threads={args.threads}"]
            best = [0.0, 0.0]
            for _ in range(args.rounds):
                best = [max(old, run(command)["images_per_s"]) for old, command in zip(best, [peer, ours])]
        ratios.append(best[1] / best[0])
        print(f"| `{net}` | {best[0]:,.0f} | {best[1]:,.0f} | {ratios[-1]:.2f} |", flush=True)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"| **geometric mean** (worst {min(ratios):.2f}) | | | **{mean:.2f}** |")


if __name__ == "__main__":
    main()
