#!/usr/bin/env python3
"""Compiles the kernels with NVRTC for three generations of GPUs and assembles them with ptxas. Fails if a register spills
or a kernel does not compile. Needs no GPU and no driver:

    pip install nvidia-cuda-nvrtc nvidia-cuda-nvcc
"""
import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile

import nvidia

GENERATIONS = ("80", "90", "100")
folder = pathlib.Path(next(iter(nvidia.__path__)))
source = pathlib.Path(__file__).parent.parent / "src"


def found(name):
    paths = sorted(folder.glob(f"**/{name}"))
    if not paths:
        sys.exit(f"{folder} has no {name}: install the packages above")
    return paths[0]


# NVRTC asks the loader for its built-in functions by name, so they are loaded before.
ctypes.CDLL(str(found("libnvrtc-builtins.so.*")), ctypes.RTLD_GLOBAL)
nvrtc = ctypes.CDLL(str(found("libnvrtc.so.1[0-9]")))
ptxas = found("bin/ptxas")
code = "".join((source / name).read_text() for name in ("device.cuh", "kernels.cu")).encode()


def ptx(generation):
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, b"kernels.cu", 0, None, None)
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture=compute_{generation}".encode())
    status, size = nvrtc.nvrtcCompileProgram(program, 1, options), ctypes.c_size_t()
    if status:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(log.value.decode())
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, text)
    return text.value


failed = False
for generation in GENERATIONS:
    with tempfile.TemporaryDirectory() as temporary:
        file = pathlib.Path(temporary) / "kernels.ptx"
        file.write_bytes(ptx(generation))
        command = [ptxas, "-v", f"-arch=sm_{generation}", file, "-o", file.with_suffix(".cubin")]
        report = subprocess.run(command, capture_output=True, text=True)
    if report.returncode:
        sys.exit(report.stderr)
    kernels = re.findall(r"entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers", report.stderr, re.S)
    for name, stores, loads, registers in kernels:
        if int(stores) or int(loads):
            print(f"sm_{generation} {name}: {stores} bytes of spill stores, {loads} of spill loads")
            failed = True
    most = max(kernels, key=lambda kernel: int(kernel[3]))
    print(f"sm_{generation}: {len(kernels)} kernels, at most {most[3]} registers ({most[0]})")
sys.exit(failed)
