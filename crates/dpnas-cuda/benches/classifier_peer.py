#!/usr/bin/env python3
"""The classifier in PyTorch: rows in bf16 on the GPU, fused Adam, 100 steps of a mini-batch of 128 in one CUDA graph.

Prints one JSON object for each size: classes, features, and seconds of 70 epochs of 54,000 rows.
"""
import json
import time

import torch
import torch.nn.functional as F

ROWS, BATCH, STEPS, REPLAYS = 54_000, 128, 100, 4
torch.backends.cuda.matmul.allow_tf32 = True
for classes in (10, 100):
    for features in (1024, 4096, 18432):
        x = torch.rand(ROWS, features, device="cuda", dtype=torch.bfloat16)
        y = torch.randint(0, classes, (ROWS,), device="cuda")
        order = torch.randperm(ROWS, device="cuda")
        head = torch.nn.Linear(features, classes, bias=False).cuda()
        adam = torch.optim.Adam(head.parameters(), lr=1e-3, capturable=True, fused=True)

        def steps(n):
            for i in range(n):
                pick = order[i * BATCH : (i + 1) * BATCH]
                loss = F.cross_entropy(head(x[pick].float()), y[pick])
                adam.zero_grad(set_to_none=False)
                loss.backward()
                adam.step()

        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            steps(3)
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            steps(STEPS)
        graph.replay()
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(REPLAYS):
            graph.replay()
        torch.cuda.synchronize()
        step = (time.perf_counter() - start) / (STEPS * REPLAYS)
        print(json.dumps({"classes": classes, "features": features, "70 epochs s": step * 70 * -(-ROWS // BATCH)}), flush=True)
