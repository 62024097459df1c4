"""ksqlDB's query-validation cases, run in both modes against the lists of those that are known to fail.

usage: python scripts/conformance.py [--mode record|batch] [--strike]

Prints what newly fails and what passes though it is listed; exit status 1 where there is either. --strike takes what passes off the lists in
tests/conformance, and writes the counts into docs/conformance.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
MODES = ("record", "batch")
WORKERS = 2
ANSWER_S = 60
"""How long a worker may take for a case before it is killed; the cases' own limit is shorter."""
DOCUMENT = ROOT / "docs" / "conformance.md"


def cases_folder() -> Path | None:
    """The folder of the cases, beside the repository or beside a folder that holds it; None where it is absent."""
    return next((p / "shared" / "conformance" for p in ROOT.parents if (p / "shared" / "conformance" / "run.py").is_file()), None)


def load_runner(folder: Path) -> ModuleType:
    """The cases' own runner, `run.py`, as a module."""
    return load(folder / "run.py")


def load(path: Path) -> ModuleType:
    """A file as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"conformance_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Result:
    """How a case ended: whether it holds, and the runner's words; whether it demands a refusal; and of a case that fails, whether it holds where
    answers are compared as ksqlDB's own tests do (`conformance_upstream.py`)."""

    passed: bool
    detail: str
    negative: bool = False
    spelled: bool = False


def work(folder: Path, pipe: Connection) -> None:
    """A worker's life: answer each case until the pipe is closed."""
    attempt = load_runner(folder).attempt
    again = load_runner(folder)
    if hasattr(again, "check_answers"):
        load(Path(__file__).with_name("conformance_upstream.py")).compares_as_upstream(again)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        _, negative, passed, detail = attempt(task)
        spelled = not passed and not negative and bool(again.attempt(task)[2])
        pipe.send(Result(passed, detail, negative, spelled))


@dataclass
class Worker:
    """A process that runs one case at a time, and the case that it is at."""

    process: BaseProcess
    pipe: Connection
    case_id: str
    deadline: float

    def stop(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def start(folder: Path) -> Worker:
    """A new worker without a case."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=work, args=(folder, theirs), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours, "", 0)


def run(folder: Path, mode: str, *, workers: int = WORKERS) -> dict[str, Result]:
    """Every case by its id, in one mode ("record" or "batch"), by so many processes. A worker that dies or hangs costs its case alone."""
    expand = load_runner(folder).expand
    tasks: Iterator[tuple[str, Any]] = iter([(i, c) for path in sorted(folder.glob("*/*.json")) for i, c in expand(path)])
    results: dict[str, Result] = {}
    team = [start(folder) for _ in range(workers)]
    try:
        busy = [w for w in team if give(w, tasks, mode)]
        while busy:
            ready = wait([w.pipe for w in busy], timeout=max(min(w.deadline for w in busy) - time.monotonic(), 0))
            for worker in list(busy):
                if worker.pipe in ready:
                    result = answer(worker)
                elif worker.deadline < time.monotonic():
                    result = None
                else:
                    continue
                found = result or Result(False, "CRASH: the process died or hung")
                # several cases of one id hold together or not at all
                if worker.case_id not in results or results[worker.case_id].passed:
                    results[worker.case_id] = found
                if result is None:
                    worker.stop()
                    team.remove(worker)
                    busy.remove(worker)
                    worker = start(folder)
                    team.append(worker)
                    busy.append(worker)
                if not give(worker, tasks, mode):
                    busy.remove(worker)
    finally:
        for worker in team:
            worker.stop()
    return results


def give(worker: Worker, tasks: Iterator[tuple[str, Any]], mode: str) -> bool:
    """Send a worker the next case; False where there is none left."""
    task = next(tasks, None)
    if task is None:
        return False
    worker.case_id, worker.deadline = task[0], time.monotonic() + ANSWER_S
    worker.pipe.send((*task, mode))
    return True


def answer(worker: Worker) -> Result | None:
    """A worker's result; None where it died."""
    try:
        result: Result = worker.pipe.recv()
    except (EOFError, OSError):
        return None
    return result


# ---------------------------------------------------------------------------------------------- the lists


def known_file(mode: str) -> Path:
    """The list of a mode's cases that are known to fail: ids, each a line, below a comment that says why."""
    return ROOT / "tests" / "conformance" / f"known-failures-{mode}.txt"


def known(mode: str) -> list[str]:
    """The ids on the list of a mode."""
    return [line for line in known_file(mode).read_text().split("\n") if line and not line.startswith("#")]


def struck(text: str, gone: Iterable[str]) -> str:
    """A list's text without these ids, and without the comments under which nothing is left."""
    gone = set(gone)
    kept: list[str] = []
    comments: list[str] = []
    for line in text.split("\n"):
        if line.startswith("#"):
            comments.append(line)
        elif line and line not in gone:
            kept += [*([""] if comments and kept else []), *comments, line]
            comments = []
        elif not line:
            comments = []
    return "\n".join([*kept, ""]) if kept else ""


def difference(mode: str, results: dict[str, Result]) -> tuple[list[str], list[str]]:
    """What newly fails, each with the runner's words; and what is listed but passes, or is no case at all."""
    listed = known(mode)
    new = [f"{i} -- {r.detail}" for i, r in sorted(results.items()) if not r.passed and i not in set(listed)]
    return new, [i for i in listed if i not in results or results[i].passed]


def share(results: Iterable[Result]) -> str:
    """How many hold, of how many: `1198 of 1260 (95.1 %)`."""
    every = list(results)
    held = sum(r.passed for r in every)
    return f"{held} of {len(every)} ({100 * held / max(1, len(every)):.1f} %)"


def count_line(mode: str, results: dict[str, Result]) -> str:
    """What docs/conformance.md says of a mode."""
    works, refused = ([r for r in results.values() if r.negative is negative] for negative in (False, True))
    return f"| {mode} | {share(works)} | {share(r for r in works if not r.spelled)} | {share(refused)} |"


def reasons(mode: str) -> dict[str, int]:
    """Why cases of a mode fail: each reason on its list, and how many cases stand below it."""
    counts: dict[str, int] = {}
    comment: list[str] = []
    fresh = True
    for line in known_file(mode).read_text().split("\n"):
        if line.startswith("#"):
            comment = [line[1:].strip()] if fresh else [*comment, line[1:].strip()]
            fresh = False
        elif line:
            counts[" ".join(comment)] = counts.get(" ".join(comment), 0) + 1
            fresh = True
    return counts


def reasons_table() -> list[str]:
    """The lines of docs/conformance.md that say why cases fail."""
    counted = {mode: reasons(mode) for mode in MODES}
    told = list(dict.fromkeys(reason for mode in MODES for reason in counted[mode]))
    rows = [f"| {reason} | {' | '.join(str(counted[mode].get(reason, 0)) for mode in MODES)} |" for reason in told]
    return [f"| why | {' | '.join(MODES)} |", "| --- | --- | --- |", *rows]


def write_reasons() -> None:
    """Renew the last table of docs/conformance.md."""
    text = DOCUMENT.read_text()
    DOCUMENT.write_text("\n".join([text[: text.index("| why |")].rstrip("\n"), "", *reasons_table(), ""]))


def write_count(mode: str, results: dict[str, Result]) -> None:
    """Renew the line of a mode in docs/conformance.md."""
    lines = DOCUMENT.read_text().split("\n")
    DOCUMENT.write_text("\n".join(count_line(mode, results) if line.startswith(f"| {mode} |") else line for line in lines))


def main() -> int:
    """Run, compare, and strike off where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, help="one mode alone")
    parser.add_argument("--strike", action="store_true", help="take what passes off the lists and renew the counts")
    options = parser.parse_args()
    folder = cases_folder()
    if folder is None:
        print("The cases (../shared/conformance) are not beside the repository.", file=sys.stderr)
        return 2
    wrong = False
    for mode in [options.mode] if options.mode else MODES:
        results = run(folder, mode)
        new, gone = difference(mode, results)
        for line in new:
            print(f"{mode}, newly failing: {line}")
        for line in gone:
            print(f"{mode}, passes or is gone{'' if options.strike else ', strike it'}: {line}")
        if options.strike:
            known_file(mode).write_text(struck(known_file(mode).read_text(), gone))
            write_count(mode, results)
            write_reasons()
        wrong |= bool(new) or (bool(gone) and not options.strike)
        print(f"{mode}: {share(results.values())} hold; must work, without those that run.py's way of comparing makes impossible, must be refused:")
        print(count_line(mode, results))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
