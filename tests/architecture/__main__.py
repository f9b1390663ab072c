"""Prints the largest file, function and class, and the most arguments."""

from tests.architecture.limits import LIMITS, measures

if __name__ == "__main__":
    found = list(measures())
    for what, limit in LIMITS.items():
        print(f"{what} (at most {limit})")
        for measure in sorted((item for item in found if item.what == what), key=lambda item: -item.size)[:3]:
            print(f"  {measure.size:5} {measure.place}")
