"""Streaming LDA of Avalanche on a stored embedding (layout npy), for the comparison in docs/performance.md.

    python avalanche_peer.py EMBEDDING [--steps 5] [--mini-batch 128]

The classes come in ascending order. Training and validation rows are learned. Prints one JSON object: rows, features, the
seconds to learn and the accuracy on all test rows at the end.
"""

import argparse
import json
import time

import avalanche
import numpy
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import StreamingLDA


class Rows(torch.utils.data.TensorDataset):
    def __init__(self, features, labels):
        super().__init__(torch.from_numpy(features), torch.from_numpy(labels))
        self.targets = labels.tolist()


def split(folder, names):
    parts = [[numpy.load(f"{folder}/{name}/{part}.npy") for name in names] for part in ("features", "labels")]
    return Rows(*[numpy.concatenate(part) for part in parts])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("embedding")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--mini-batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train = split(arguments.embedding, ["train", "val"])
    test = split(arguments.embedding, ["test"])
    features, classes = train.tensors[0].shape[1], int(train.tensors[1].max()) + 1
    benchmark = nc_benchmark(
        as_classification_dataset(train),
        as_classification_dataset(test),
        n_experiences=arguments.steps,
        task_labels=False,
        fixed_class_order=list(range(classes)),
    )
    strategy = StreamingLDA(
        torch.nn.Identity(),
        torch.nn.CrossEntropyLoss(),
        input_size=features,
        num_classes=classes,
        train_mb_size=arguments.mini_batch,
        eval_mb_size=4096,
        evaluator=EvaluationPlugin(loggers=[]),
    )
    start = time.perf_counter()
    for experience in benchmark.train_stream:
        strategy.train(experience)
    seconds = time.perf_counter() - start
    predicted = strategy.predict(test.tensors[0]).argmax(dim=1)
    accuracy = float((predicted == test.tensors[1]).float().mean())
    result = {
        "avalanche": avalanche.__version__,
        "torch": torch.__version__,
        "rows": len(train),
        "features": features,
        "seconds": round(seconds, 3),
        "accuracy": accuracy,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
