#!/usr/bin/env bash
# Checks and measures a GPU with what `cargo xtask gpu` has packed beside this file.
#
#   run.sh OUT [SECONDS]    OUT: folder for the results; SECONDS: time for all steps, 550 if it is left out
#
# It needs an NVIDIA driver and a python3 that imports PyTorch for CUDA, whose cuDNN is used and which is the peer. Each
# step has its own limit; a step whose limit would pass the end is left out. The summary comes last.
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?run.sh OUT [SECONDS]}
end=${2:-550}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here" || exit 1
export PYTHONUNBUFFERED=1

step() { # NAME LIMIT COMMAND...
    local name=$1 limit=$2 start=$SECONDS
    shift 2
    if ((SECONDS + limit > end)); then
        echo "$name: left out, it may take $limit s"
        return
    fi
    timeout "$limit" "$@" > "$out/$name.jsonl" 2> "$out/$name.err"
    local status=$?
    echo "$name: status $status, $((SECONDS - start)) s"
    ((status == 0)) || tail -c 800 "$out/$name.err"
}

nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
step compare 60 ./gpu_check compare
step fit 30 ./gpu_check fit
step fit-time 40 ./gpu_check fit-time
step encode-time 40 ./gpu_check encode-time nets-gpu.txt 8192
step walk 150 ./gpu_walk --device cudnn --nets 50
step rewards 40 ./gpu_walk --device cudnn --nets 10 --space small --images 6000
step rewards-again 40 ./gpu_walk --device cudnn --nets 10 --space small --images 6000
step rewards-draw 40 ./gpu_walk --device cudnn --nets 10 --space small --images 6000 --draw 1
step rewards-cpu 120 ./gpu_walk --device cpu --nets 10 --space small --images 6000
step fit-peer 60 python3 classifier_peer.py
command -v compute-sanitizer > /dev/null && step sanitizer 60 compute-sanitizer --error-exitcode 9 ./gpu_check small
step survey 60 ./gpu_check survey
peer=(python3 torch_peer.py --nets nets-gpu.txt --images 8192 --epochs 1 --device cuda --dtype bf16)
step encode-peer 150 "${peer[@]}" --batches 1024 --compile
step encode-eager 60 "${peer[@]}" --batches 256,1024
python3 summary.py "$out" | tee "$out/summary.md"
