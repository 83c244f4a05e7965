"""How good are the tests? A small change of a module must turn one of its tests red.

make mutants                                    # all modules of tests/mutants.toml
make mutants MODULES="dataset.py"               # some; minutes each, on one core
make mutants MODULES=--table                    # what was measured before, again

mutmut makes the mutants and runs the tests. Its rules are changed in two places. It
leaves out every function with a decorator; here those that only wrap stay around the
switch between mutants, so that samplers under no_grad count. And text with a space in
it is left as it is: it is wording, for people.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import hypothesis
import libcst as cst
from mutmut import __main__ as mutmut
from mutmut import configuration
from mutmut.mutation import diff_apply, file_mutation, mutators
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.workers import isolation

ROOT = Path(__file__).resolve().parents[1]
TABLE = tomllib.loads((ROOT / "tests/mutants.toml").read_text("utf-8"))
RESULTS = ROOT / "outputs" / "mutants"
WRAPPERS = {"torch.no_grad()", "property", "cache", "contextlib.contextmanager"}
CAUGHT = {"killed", "timeout"}

code_of = cst.Module([]).code_for_node


def wraps_only(function: cst.CSTNode) -> bool:
    """Whether a function has decorators, and each is one of WRAPPERS."""
    if not isinstance(function, cst.FunctionDef) or not function.decorators:
        return False
    return {code_of(d.decorator) for d in function.decorators} <= WRAPPERS


def let_wrapped_functions_in() -> None:
    """Mutate beneath the decorators of WRAPPERS."""
    skip = file_mutation.MutationVisitor._skip_node_and_children
    arrange = file_mutation.function_trampoline_arrangement

    def skip_less(visitor, node):
        return not wraps_only(node) and skip(visitor, node)

    def arrange_inside(function, mutants, class_name):
        if not wraps_only(function):
            return arrange(function, mutants, class_name)
        bare = function.with_changes(decorators=[])
        before, (switch, *copies), after, names = arrange(bare, mutants, class_name)
        outside = [*function.decorators, *switch.decorators]
        return before, [switch.with_changes(decorators=outside), *copies], after, names

    file_mutation.MutationVisitor._skip_node_and_children = skip_less
    file_mutation.function_trampoline_arrangement = arrange_inside


def leave_wording_out() -> None:
    """Mutate no text that holds a space."""
    here = mutators.mutation_operators
    i = [operator for _, operator in here].index(mutators.operator_string)

    def operator_word(node):
        return [] if " " in code_of(node) else mutators.operator_string(node)

    here[i] = (here[i][0], operator_word)


def run_quick_tests_first() -> None:
    """Run a mutant's tests from the shortest to the longest, all of them once before.

    A hanging mutant is stopped by the processor's time it took: on a busy machine the
    clock would call slow tests a catch.
    """
    isolation.register_timeout = lambda pid, seconds: None
    make_runner = mutmut.get_mutant_runner

    def make(*arguments):
        runner = make_runner(*arguments)
        submit = runner.submit
        seconds = state().duration_by_test

        def submit_sorted(name, tests, *limits):
            submit(name, sorted(tests, key=lambda test: (seconds[test], test)), *limits)

        runner.submit = submit_sorted
        runner.run_clean_tests = lambda tests: 0  # counting them was such a run
        return runner

    mutmut.get_mutant_runner = make


def configure(module: str) -> None:
    """Mutate one module, with its own tests of tests/mutants.toml."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # never shrink
    hypothesis.settings.register_profile(
        "mutants", derandomize=True, deadline=None, max_examples=25, database=None,
        phases=phases,
    )  # fmt: skip
    made = ("mutants", "outputs", "build")
    all_here = [p for p in Path().iterdir() if p.name not in made]
    given = configuration.config()
    configuration._config = replace(
        given,
        also_copy=[p for p in all_here if not p.name.startswith(".")] + given.also_copy,
        only_mutate=[module],
        pytest_add_cli_args_test_selection=TABLE["tests"][module],
    )


def changed(name: str, module: str) -> dict[str, str]:
    """Return where a mutant is, and its lines before and after."""
    diff = diff_apply.get_diff_for_mutant(name, path=module).splitlines()[2:]
    sides = {
        sign: " ".join(line[1:].strip() for line in diff if line.startswith(sign))
        for sign in "-+"
    }
    function, owner = diff_apply.orig_function_and_class_names_from_key(name)
    where = f"{owner}.{function}" if owner else function
    return {"where": f"{module}:{where}", "was": sides["-"], "mutant": sides["+"]}


def measure(module: str) -> None:
    """Run one module's mutants; keep how many there were, and those left alive."""
    os.chdir(ROOT)  # mutmut works where it is started
    shutil.rmtree("mutants", ignore_errors=True)
    try:
        result = run(module)
    finally:
        shutil.rmtree("mutants", ignore_errors=True)  # a whole copy: no test may see it
    RESULTS.mkdir(parents=True, exist_ok=True)
    result_of(module).write_text(json.dumps(result, indent=1))


def run(module: str) -> dict:
    """Make a copy with all mutants of a module, and run the tests on each."""
    let_wrapped_functions_in()
    leave_wording_out()
    run_quick_tests_first()
    configure(module)
    mutmut._run((), 1)
    _, data = mutmut.collect_source_file_mutation_data(mutant_names=())
    codes = data[module].exit_code_by_key
    status = {name: status_by_exit_code[code] for name, code in codes.items()}
    left = [name for name, what in status.items() if what not in CAUGHT]
    alive = [changed(name, module) | {"status": status[name]} for name in left]
    return {"mutants": len(codes), "survivors": alive}


def result_of(module: str) -> Path:
    return RESULTS / f"{module.replace('/', '.')}.json"


def report(modules: list[str]) -> None:
    """Print the survivors that tests/mutants.toml does not explain, and the table."""
    known = {(e["where"], e["was"], e["mutant"]) for e in TABLE.get("equivalent", [])}
    rows = []
    for module in modules:
        result = json.loads(result_of(module).read_text())
        n, alive = result["mutants"], result["survivors"]
        open_ = [m for m in alive if (m["where"], m["was"], m["mutant"]) not in known]
        for m in open_:
            print(f"{m['where']} ({m['status']})\n- {m['was']}\n+ {m['mutant']}\n")
        same = len(alive) - len(open_)
        caught = n - len(alive)
        score = f"{caught / max(n - same, 1):.1%}"
        cells = [f"`{module}`", n, caught, same, len(open_), score]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    print("| module | mutants | caught | equivalent | alive | score |")
    print("|---|--:|--:|--:|--:|--:|", *rows, sep="\n")


def main(modules: list[str]) -> None:
    """Measure the modules, each in a process of its own, and report."""
    if unknown := set(modules) - TABLE["tests"].keys():
        sys.exit(f"MODULES must be of those in mutants.toml, got {sorted(unknown)}")
    for module in modules:
        subprocess.run([sys.executable, __file__, "--one", module], check=True)
    report(modules)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", module]:
            measure(module)
        case ["--table"]:
            report([module for module in TABLE["tests"] if result_of(module).exists()])
        case modules:
            main(modules or list(TABLE["tests"]))
