"""Which package may import which: an app that meters its calls loads nothing of the operator's side."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"spanledger_billing", "spanledger_hub"}
HEAVY = {
    "clickhouse_connect",
    "chdb",
    "pydantic",
    "httpx",
    "httpx2",
    "aiohttp",
    "genai_prices",
    "rich",
    "typer",
    "yaml",
}


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module.partition(".")[0]}
    return set()


def run_on_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node outside of functions and of `if TYPE_CHECKING`: what an import of the module executes."""
    for node in ast.iter_child_nodes(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not typing_only:
            yield node
            yield from run_on_import(node)


def modules(folder: str) -> dict[str, ast.Module]:
    found = {
        str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in (ROOT / folder).rglob("*.py")
    }
    assert found
    return found


def test_the_instrumentation_never_names_the_operators_packages_not_even_inside_a_function():
    offenders = {
        name: names
        for name, tree in modules("instrumentation/spanledger").items()
        if (names := OURS & {n for node in ast.walk(tree) for n in imported(node)})
    }

    assert offenders == {}


def test_no_module_of_the_instrumentation_imports_an_http_library_or_an_extra_when_it_is_imported():
    offenders = {
        name: names
        for name, tree in modules("instrumentation/spanledger").items()
        if (names := HEAVY & {n for node in run_on_import(tree) for n in imported(node)})
    }

    assert offenders == {}


def test_the_command_line_imports_database_engine_and_prices_only_inside_its_functions():
    offenders = {
        name: names
        for name, tree in modules("billing/spanledger_billing/cli").items()
        if (
            names := {"clickhouse_connect", "chdb", "genai_prices"}
            & {n for node in run_on_import(tree) for n in imported(node)}
        )
    }

    assert offenders == {}


def loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_spanledger_loads_no_http_library_no_extra_and_no_other_package_of_ours():
    assert loaded_by("import spanledger") & (HEAVY | OURS) == set()


def test_help_of_the_command_line_loads_no_database_engine_and_no_prices():
    statement = """
import contextlib, io
from spanledger_billing.cli import app
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    app(["--help"])
"""

    assert (
        loaded_by(statement) & {"clickhouse_connect", "chdb", "genai_prices", "numpy", "httpx", "httpx2"}
        == set()
    )
