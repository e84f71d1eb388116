"""The GPUs of this machine, found without loading TensorFlow."""

import os
import shutil
import subprocess

_SECONDS = 20


def visible() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may name, a GPU each; TensorFlow has the last word on using them.

    A CUDA_VISIBLE_DEVICES of the environment is obeyed; -1 there means none.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for part in chosen.split(",") if (name := part.strip()) not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listing = subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    lines = [line for line in listing.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
