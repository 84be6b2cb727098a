"""What `import lifjax` adds to `import jax`, as medians over fresh processes in turn.

Run: python bench/import_time.py
"""

import statistics
import subprocess
import sys
import time

PAIRS = 9


def seconds(statement: str) -> float:
    """How long a fresh interpreter takes to start, run a statement and end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begun


def main() -> None:
    """Print the medians and their difference."""
    statements = ("import jax", "import lifjax")
    for statement in statements:
        seconds(statement)  # fills the file cache and compiles to bytecode
    taken = [[seconds(statement) for statement in statements] for _ in range(PAIRS)]
    jax_alone, both = (statistics.median(column) for column in zip(*taken, strict=True))
    added = statistics.median(b - a for a, b in taken)
    print(f"import jax {jax_alone:.3f} s, import lifjax {both:.3f} s: {added:+.3f} s, ratio {both / jax_alone:.2f}")


if __name__ == "__main__":
    main()
