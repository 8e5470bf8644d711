"""Threads that decode the same new dataclass at once, again and again: a program, as it may crash."""

import sys
import types
from threading import Barrier, Thread

from towline.store.rows import codec

ROUNDS = 60
THREADS = 6
BODY = '{"first": {"f1": 1, "f29": 3}, "others": [{"f2": 2}]}'
SOURCE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True)
class Inner:
    {fields}

@dataclass(frozen=True)
class Outer:
    first: Inner
    others: tuple[Inner, ...] = ()
""".replace("{fields}", "\n    ".join(f"f{number}: int = 0" for number in range(30)))


def main() -> None:
    sys.setswitchinterval(1e-6)
    for number in range(ROUNDS):
        module = types.ModuleType(f"kinds{number}")
        sys.modules[module.__name__] = module
        exec(SOURCE, module.__dict__)
        together(module.Outer)


def together(kind: type) -> None:
    gate = Barrier(THREADS)

    def work() -> None:
        gate.wait()
        assert codec.value(kind, BODY).first.f29 == 3

    threads = [Thread(target=work) for _ in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


if __name__ == "__main__":
    main()
