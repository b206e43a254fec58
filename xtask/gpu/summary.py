"""Prints what run.sh has measured as Markdown."""
import json
import pathlib
import sys

out = pathlib.Path(sys.argv[1])


def lines(name):
    path = out / f"{name}.jsonl"
    rows = path.read_text().splitlines() if path.exists() else []
    return [json.loads(row) for row in rows if row.startswith("{")]


def table(head, rows):
    if rows:
        print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in rows:
            print("| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row) + " |")


def rewards(name):
    return [row["reward and test"][0] for row in lines(name) if isinstance(row.get("reward and test"), list)]


for row in lines("compare")[:1]:
    print(row["engine"])
compared = [row for row in lines("compare") if row["what"] == "compare"]
if compared:
    worst = {key: max(row[key] for row in compared) for key in ("without norm", "with norm", "statistics")}
    equal = all(row["again equal"] and row["alone equal"] and row["finite"] for row in compared)
    print(f"\n{len(compared)} encoders beside the CPU's bf16, largest relative differences: {worst}; two runs and an image alone equal in every bit: {equal}")
fits = [row for row in lines("fit") if row["what"] == "fit"]
if fits:
    equal = all(row["again equal"] for row in fits)
    print(f"\n{len(fits)} classifiers beside the CPU's, largest relative difference of weights: {max(row['weights'] for row in fits):.1e}; two runs equal in every bit: {equal}")
peers = {(row["classes"], row["features"]): row["70 epochs s"] for row in lines("fit-peer")}
table(
    ["classes", "features", "70 epochs of 54,000 rows, s", "PyTorch in a CUDA graph, s", "ratio"],
    [
        (row["classes"], row["features"], row["70 epochs s"], peer := peers.get((row["classes"], row["features"]), float("nan")), peer / row["70 epochs s"])
        for row in lines("fit-time")
        if row["what"] == "fit time"
    ],
)
compiled = {row["net"]: row["encode_s"] for row in lines("encode-peer")}
eager = {row["net"]: row["encode_s"] for row in lines("encode-eager")}
ours = [row for row in lines("encode-time") if row["what"] == "encode time"]
table(
    ["net", "GFLOP an image", "ms for 8,192 images", "TFLOP/s", "to PyTorch compiled", "to PyTorch eager"],
    [
        (f"`{row['net']}`", row["gflop_per_image"], row["encode s"] * 1e3, row["tflops"], *(peer.get(row["net"], float("nan")) / row["encode s"] for peer in (compiled, eager)))
        for row in ours
    ],
)
ratios = [compiled[row["net"]] / row["encode s"] for row in ours if row["net"] in compiled]
if ratios:
    product = 1.0
    for ratio in ratios:
        product *= ratio
    print(f"\nGeometric mean to PyTorch compiled, {len(ratios)} nets: {product ** (1 / len(ratios)):.3g}")
for row in lines("walk")[-1:]:
    print(f"\nRandom architectures of `paper`, 60,000 + 10,000 images: {row}")
gpu, again, draw, cpu = (rewards(name) for name in ("rewards", "rewards-again", "rewards-draw", "rewards-cpu"))
if gpu:
    print(f"\nRewards of {len(gpu)} nets of `small`: two runs equal {gpu == again}")
    for name, other in (("the CPU in bf16", cpu), ("another draw of the weights", draw)):
        moved = sorted(abs(a - b) for a, b in zip(gpu, other))
        if moved:
            print(f"- {name}: moved by {sum(moved) / len(moved):.4f} in the mean, {moved[-1]:.4f} at most")
best = {}
for row in lines("survey"):
    if row["what"] == "configuration":
        best.setdefault(row["shape"], []).append(row)
table(
    ["shape", "taken, TFLOP/s", "best, TFLOP/s", "its engine", "fused"],
    [
        (shape, max((row["tflops"] for row in rows if row["taken"]), default=float("nan")), (top := max(rows, key=lambda row: row["tflops"]))["tflops"], top["engine"], top["fused"])
        for shape, rows in best.items()
    ],
)
