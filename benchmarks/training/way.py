"""`python -m benchmarks.training.way MODULE WAY WORKLOAD FILE`: train whenever a line comes.

A process of its own for each way, on one thread of one core (Linux); an answer is a line with the
seconds that passed and those that the processor was at work.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
# Prepares what is not to be measured, its own compilation included; the result trains once.
Way = Callable[[str, str], Callable[[], object]]


def main() -> None:
    module, way, workload, file = sys.argv[1:]
    os.environ.update(ONE_THREAD)
    # JAX's scan takes a second core in spite of all that.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    prepare: Way = importlib.import_module(f"benchmarks.training.{module}").WAYS[way]
    train = prepare(workload, file)
    print("ready", flush=True)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        train()
        print(json.dumps([time.perf_counter() - began, time.process_time() - used]), flush=True)


if __name__ == "__main__":
    main()
