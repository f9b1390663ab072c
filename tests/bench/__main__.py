"""`make bench`: each benchmark prints its rows; name some (`python -m tests.bench reading`) to run only those.

Figures are medians of several runs on this machine, and ratios against kubectl in the same run where it is installed.
"""

import logging
import sys
from importlib import import_module

import structlog

BENCHMARKS = ("reading", "syncing", "sandbox", "kustomize", "helm", "page", "scale", "flux")


def main(names: list[str]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for name in names or BENCHMARKS:
        print(f"\n{name}")
        import_module(f"tests.bench.{name}").run()


main(sys.argv[1:])
